"""What an erasure cannot reach, said as it is. Pure."""

from datetime import timedelta
from typing import Final

from common.contracts import topics
from common.contracts.topics import Topic

WITHOUT_PEOPLE: Final = (topics.ACCOUNTS, topics.NUMBERS, topics.INGRESS_REPORTS, topics.DLQ_AUDIT)
"""Every other topic is named, also one that is declared later."""


def out_of_reach() -> list[str]:
    """Lines for the operator: where the person still is, and until when."""
    kept = sorted((topic for topic in topics.ALL if topic not in WITHOUT_PEOPLE), key=lambda topic: topic.retention_ms)
    return [
        "what this cannot reach:",
        "  Kafka's records, which nobody can change; they go at most a day after their time (as declared; `wa topics",
        "  check` says where they stay longer):",
        *(f"    {topic.name:32} {_days(topic)}" for topic in kept),
        "  a dead letter among them that is replayed comes back with its person: leave it, or look before",
        "  backups of MongoDB: after a restore, run the erasures since that backup again (docs/operations.md)",
        "  logs and traces have neither numbers nor texts, yet ids (journal, correlation, trace) until their retention",
        "  what your AI, producers and other consumers have kept, and what Meta has",
        "  what others wrote about the person, and messages that name them to somebody else",
        "what comes while this runs, or is still on its way through Kafka, is stored anew: run it again in a quarter",
        "of an hour, and once more when late statuses are over (a day)",
    ]


def _days(topic: Topic) -> str:
    days = timedelta(milliseconds=topic.retention_ms) / timedelta(days=1)
    return f"{days:g} days"
