"""The changes to documents that contain the person. Each is an update pipeline, so that it is one atomic step. Pure.

Two facts stay, without the person, because promises depend on them: that a message was seen (so that Meta's repetition
of it is ignored), and that a send has ended (so that its record is not sent again when it is read again).
"""

from datetime import datetime, timedelta
from typing import Any, Final

from common.contracts.journal import (
    ERASED_AT,
    EXPIRE_AT,
    OPERATORS,
    OPTED_OUT_AT,
    OPTED_OUT_LANE,
    Entry,
    State,
    to_document,
)
from wa.erase.scope import ERASED

Pipeline = list[dict[str, Any]]

_KEPT_OF_MESSAGE: Final = (
    *("_id", "direction", "chatbotId", "type", "origin", "published"),
    *("deliveryStatus", "createdAt"),
)
_CANCELLED_FOR: Final = timedelta(days=30)
_NAMES_OF_CONTACT: Final = ("userId", "waId", "parentUserId", "name", "username")


def message_erased() -> Pipeline:
    """Keeps that the message existed, when, and its delivery status.

    Its phone number id goes, so that a later status makes no conversation of it.
    """
    return [{"$replaceWith": {**{name: f"${name}" for name in _KEPT_OF_MESSAGE}, "erasedAt": "$$NOW"}}]


def participant_erased(names: list[str]) -> Pipeline:
    """Removes this person's statuses from a message to a group."""
    entries = {"$ifNull": ["$statuses", []]}
    others = {"$not": {"$in": [{"$ifNull": ["$$entry.participant", ""]}, names]}}
    return [{"$set": {"statuses": {"$filter": {"input": entries, "as": "entry", "cond": others}}}}]


def webhook_event_erased() -> Pipeline:
    """Keeps that something of this kind came, and when."""
    return [{"$set": {"erasedAt": "$$NOW"}}, {"$unset": ["raw", "wamid", "reason"]}]


def usage_erased() -> Pipeline:
    """Keeps what is paid for: the tenant, the day, the category and the price model, but not the person."""
    return [{"$set": {"erasedAt": "$$NOW"}}, {"$unset": ["conversationId", "wamid", "messageId"]}]


def group_erased() -> Pipeline:
    """Removes the last writer from a group's conversation."""
    return [{"$unset": [f"contact.{name}" for name in _NAMES_OF_CONTACT]}]


def send_erased(token: str) -> Pipeline:
    """Keeps that the send has ended, and whether Meta has it.

    `token` is new, so that a writer that knows the old one has to read the entry again.
    """
    marked = {"$cond": [{"$gt": ["$wamid", None]}, ERASED, "$$REMOVE"]}
    fields = {"to": ERASED, "messageId": ERASED, "wamid": marked, "token": token, ERASED_AT: "$$NOW"}
    words = [f"{error}.{word}" for error in ("error", "failure") for word in ("title", "details")]
    return [{"$set": fields}, {"$unset": ["contact", *words, OPTED_OUT_LANE, OPTED_OUT_AT]}]


def send_cancelled(token: str, now: datetime) -> Pipeline:
    """Cancels a send that waits."""
    fields = {"state": str(State.CANCELLED), "at": now, EXPIRE_AT: now + _CANCELLED_FOR}
    return [{"$set": fields}, {"$unset": ["due", "error"]}, *send_erased(token)]


def never_sent(journal_id: str, chatbot_id: str, token: str, now: datetime) -> dict[str, Any]:
    """The new journal entry of a send that waited and had no entry."""
    entry = Entry(
        id=journal_id,
        state=State.CANCELLED,
        attempt=0,
        token=token,
        owner=OPERATORS,
        at=now,
        created_at=now,
        chatbot_id=chatbot_id,
        message_id=ERASED,
        to=ERASED,
    )
    return to_document(entry, erasedAt=now, expireAt=now + _CANCELLED_FOR)
