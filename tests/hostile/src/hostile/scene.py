"""The system that is attacked."""

from typing import Final

from hostile.tenants import CHATBOTS
from testbed.plan import Choices

SETTINGS: Final = {
    # Shorter times than in production, with the same code: a doubt ends after 6 s, a dead owner is noticed after 6 s.
    "sender": {
        "SENDER_IN_DOUBT_SECONDS": "8",
        "GRAPH_TOTAL_SECONDS": "2",
        "SENDER_PAUSE_SECONDS": "1",
        "KAFKA_SESSION_TIMEOUT_MS": "6000",
    },
    "conversation": {"KAFKA_SESSION_TIMEOUT_MS": "6000"},
}
EMULATOR: Final = ("--retry-delays-ms", "0,200,500,1000", "--delivered-after-ms", "30", "--read-after-ms", "60")


SHORT_DLQ_LIMIT: Final = 100


def choices(database: str, *, dlq_limit: int | None = None) -> Choices:
    """One replica of each service, and three tenants with their own keys. A lower `dlq_limit` needs fewer bad records."""
    limit = {} if dlq_limit is None else {"DLQ_LIMIT": str(dlq_limit)}
    settings = {
        name: {**SETTINGS.get(name, {}), **limit, "MONGODB_DATABASE": database}
        for name in ("sender", "conversation", "accounts")
    }
    return Choices(extra=settings, emulator_options=EMULATOR, tenants=CHATBOTS)
