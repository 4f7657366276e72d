"""From an event of `incoming-messages` to a send request. Pure, except for the brain."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from ai_responder.brain import Brain

NAMESPACE: Final = UUID("5e0f7a3e-0b7d-5f0e-8d43-0a6a2b1f9c55")
SILENT: Final = frozenset({"reaction", "system", "unsupported", "edit", "revoke"})
_META_REPEATS: Final = timedelta(days=7)
WITHOUT_WORDS: Final = "Thank you! I can only read text so far."


@dataclass(frozen=True, slots=True)
class Incoming:
    """One event, and its headers that the reply must carry."""

    event: Mapping[str, Any]
    headers: Mapping[str, str]
    written: datetime | None = None
    """When the customer wrote it, if that is known."""

    @property
    def conversation(self) -> str:
        """The id of the conversation. Its messages are answered one after another."""
        return str(self.event["data"]["conversationId"])

    def is_older(self, max_age: timedelta, now: datetime) -> bool:
        """Whether it is older than `max_age`. The customer no longer waits for a reply then."""
        return self.written is not None and now - self.written > max_age


def read(value: bytes | None, headers: Mapping[str, str], stored: datetime | None = None) -> Incoming | None:
    """The event, or None when the record has none. Such a record can be skipped, because it never will have one.

    `stored` is when Kafka got the record.
    """
    try:
        event = json.loads(value or b"")
        data = event["data"]
        texts = (event["id"], data["conversationId"], data["wamid"], data.get("text", ""))
        if all(isinstance(text, str) for text in texts) and isinstance(data["contact"], dict):
            return Incoming(event, headers, _written(event, stored))
    except (ValueError, KeyError, TypeError):
        pass
    return None


def _written(event: Mapping[str, Any], stored: datetime | None) -> datetime | None:
    """When the customer wrote it; the receipt's time if that cannot be true, because Meta repeats for seven days."""
    occurred, recorded = _moment(event.get("occurredAt")), _moment(event.get("recordedAt")) or stored
    if occurred is None or recorded is None:
        return occurred or recorded
    return occurred if timedelta(0) <= recorded - occurred <= _META_REPEATS else recorded


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _recipient(data: Mapping[str, Any]) -> tuple[str | None, bool]:
    """The recipient of the reply, and whether it is a group. A message in a group is answered in it, or not."""
    message = data.get("message")
    group = data["contact"].get("groupId") or (message.get("group_id") if isinstance(message, dict) else None)
    if group:
        return group, True
    return data["contact"].get("userId") or data["contact"].get("waId"), False


async def reply_to(incoming: Incoming, brain: Brain, group: str) -> dict[str, Any] | None:
    """The send request that answers, or None.

    Its `messageId` is derived from the consumer group and the event's id. A group that reads an event twice requests
    the same send twice, and the sender sends it once. Two groups send two answers.
    """
    event, data = incoming.event, incoming.event["data"]
    if "chatbotId" not in data or data.get("messageType") in SILENT:
        return None
    to, in_group = _recipient(data)
    if not isinstance(to, str) or not to or (in_group and not data.get("text")):
        return None
    answer = await brain(data["text"], data) if data.get("text") else WITHOUT_WORDS
    if not answer:
        return None
    return {
        "chatbotId": data["chatbotId"],
        "to": to,
        "message": answer,
        "messageId": str(uuid5(NAMESPACE, json.dumps([group, event["id"]]))),
        "replyTo": data["wamid"],
        "metadata": {"inReplyTo": event["id"]},
    }
