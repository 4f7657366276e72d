"""What becomes of a document that has the person in it: pipelines of updates, so that each is one step. Pure.

What stays is what promises hang on, without anybody in it: that a message was seen (so that Meta's repetition of it is
none), and that a send has ended (so that its record, read again, is not sent again).
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
    """That it was there, when, and how far it got. Without its number a later status makes no conversation of it."""
    return [{"$replaceWith": {**{name: f"${name}" for name in _KEPT_OF_MESSAGE}, "erasedAt": "$$NOW"}}]


def participant_erased(names: list[str]) -> Pipeline:
    """A message to a group without what became of it with this person."""
    entries = {"$ifNull": ["$statuses", []]}
    others = {"$not": {"$in": [{"$ifNull": ["$$entry.participant", ""]}, names]}}
    return [{"$set": {"statuses": {"$filter": {"input": entries, "as": "entry", "cond": others}}}}]


def webhook_event_erased() -> Pipeline:
    """That something of this kind came, and when."""
    return [{"$set": {"erasedAt": "$$NOW"}}, {"$unset": ["raw", "wamid", "reason"]}]


def usage_erased() -> Pipeline:
    """What is paid for: the tenant, the day, the category and the price model; not for whom."""
    return [{"$set": {"erasedAt": "$$NOW"}}, {"$unset": ["conversationId", "wamid", "messageId"]}]


def group_erased() -> Pipeline:
    """A group's conversation without who wrote last in it."""
    return [{"$unset": [f"contact.{name}" for name in _NAMES_OF_CONTACT]}]


def send_erased(token: str) -> Pipeline:
    """That it has ended, and whether Meta has it. `token` is new: whoever still wants to change it reads it anew."""
    marked = {"$cond": [{"$gt": ["$wamid", None]}, ERASED, "$$REMOVE"]}
    fields = {"to": ERASED, "messageId": ERASED, "wamid": marked, "token": token, ERASED_AT: "$$NOW"}
    words = [f"{error}.{word}" for error in ("error", "failure") for word in ("title", "details")]
    return [{"$set": fields}, {"$unset": ["contact", *words, OPTED_OUT_LANE, OPTED_OUT_AT]}]


def send_cancelled(token: str, now: datetime) -> Pipeline:
    """It waited, and is never sent."""
    fields = {"state": str(State.CANCELLED), "at": now, EXPIRE_AT: now + _CANCELLED_FOR}
    return [{"$set": fields}, {"$unset": ["due", "error"]}, *send_erased(token)]


def never_sent(journal_id: str, chatbot_id: str, token: str, now: datetime) -> dict[str, Any]:
    """The journal's document of a send that waited and had none yet."""
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
