"""What a status does to a message: `deliveryStatus` only ever goes forward (P5).

Meta promises no order, may skip `delivered`, and may report both `delivered` and `failed` for one message (several
devices); Meta says to trust the delivered one (WhatsApp Business support, "Message delivery"). So every status has a
rank, and the highest rank seen is the state, whatever the order of arrival. Two failures with different codes are two
statuses: both are published, and both are in the history.
"""

from types import MappingProxyType
from typing import Final

from common.meta.payloads import Status
from conversation.batch.working_set import Message

RANKS: Final = MappingProxyType(
    {
        "queued": 3,
        "in_doubt": 5,
        "accepted": 10,
        "sent": 20,
        "cancelled": 30,
        "expired": 30,
        "failed": 30,
        "delivered": 40,
        "read": 50,
        "played": 60,
    }
)
"""`queued`, `in_doubt`, `accepted`, `cancelled` and `expired` are ours, the others Meta's. Other words are stored and
change nothing."""

QUEUED: Final = "queued"
UNENDED: Final = (QUEUED, "in_doubt")
"""Of a send that has not ended; later sends of its conversation wait for it."""

UNKNOWN: Final = "unknown"


def rank_of(status: str) -> int:
    """0 for a word that we do not know: Meta may have added it."""
    return RANKS.get(status, 0)


def advance(current: str | None, status: str) -> str:
    """The state after `status`: the higher of both; of two equal ones the first stays."""
    if current is None:
        return status if rank_of(status) else UNKNOWN
    return status if rank_of(status) > rank_of(current) else current


def status_key(message: Message, status: Status) -> str:
    """The key of a status in its message: wamid, word, participant of a group, and why it failed.

    Earlier versions left the reason out. Their entry with the same reason keeps its key, so that a repetition or a
    replay is still recognized.
    """
    key = f"{status.id}|{status.status}|{status.participant or ''}"
    failure = status.failure
    if not failure:
        return key
    before = message.status_entry(key)
    error = before.get("error", {}) if before is not None else {}
    known = str(error.get("code") or error.get("title") or "")
    return key if known and known == failure.partition("+")[0] else f"{key}|{failure}"
