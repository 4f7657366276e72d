"""The report of what an erasure cannot reach. Pure."""

from datetime import timedelta
from typing import Final

from common.contracts import topics
from common.contracts.topics import Topic

WITHOUT_PEOPLE: Final = (topics.ACCOUNTS, topics.NUMBERS, topics.INGRESS_REPORTS, topics.DLQ_AUDIT)
"""The report names all other topics, including those that are declared later."""


def out_of_reach() -> list[str]:
    """Lines for the operator: where the person still is, and until when."""
    kept = sorted((topic for topic in topics.ALL if topic not in WITHOUT_PEOPLE), key=lambda topic: topic.retention_ms)
    return [
        "what this cannot reach:",
        "  Kafka's records, which cannot be changed. Kafka removes them at most a day after these times (`wa topics",
        "  check` reports topics that keep them longer):",
        *(f"    {topic.name:32} {_days(topic)}" for topic in kept),
        "  a replayed dead letter brings its person back: do not replay it, or inspect it before",
        "  backups of MongoDB: after a restore, run the erasures since that backup again (docs/operations.md)",
        "  logs and traces have no phone numbers or texts, but they have ids (journal, correlation, trace)",
        "  copies at your AI, your producers, other consumers, and Meta",
        "  messages of and to other people that mention the person",
        "messages and statuses that arrive now, or are still in Kafka, are stored again: run this command again after",
        "15 minutes, and once more after a day, because statuses may be late",
    ]


def _days(topic: Topic) -> str:
    days = timedelta(milliseconds=topic.retention_ms) / timedelta(days=1)
    return f"{days:g} days"
