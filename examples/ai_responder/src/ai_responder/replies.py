"""From an event of `incoming-messages` to a send request. Pure, but for the brain."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

from ai_responder.brain import Brain

NAMESPACE: Final = UUID("5e0f7a3e-0b7d-5f0e-8d43-0a6a2b1f9c55")
SILENT: Final = frozenset({"reaction", "system", "unsupported", "edit", "revoke"})
WITHOUT_WORDS: Final = "Thank you! I can only read text so far."


@dataclass(frozen=True, slots=True)
class Incoming:
    """One event with the headers that have to go on."""

    event: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def conversation(self) -> str:
        """Replies of one conversation are made one after another."""
        return str(self.event["data"]["conversationId"])


def read(value: bytes | None, headers: Mapping[str, str]) -> Incoming | None:
    """The event, or None when the record is not one: it can be skipped, for it would never become one."""
    try:
        event = json.loads(value or b"")
        data = event["data"]
        texts = (event["id"], data["conversationId"], data["wamid"], data.get("text", ""))
        if all(isinstance(text, str) for text in texts) and isinstance(data["contact"], dict):
            return Incoming(event, headers)
    except (ValueError, KeyError, TypeError):
        pass
    return None


async def reply_to(incoming: Incoming, brain: Brain) -> dict[str, Any] | None:
    """The send request that answers, or None.

    Its `messageId` is derived from the event's id: the same event, seen twice, asks for the same send, and the
    sender sends it once.
    """
    event, data = incoming.event, incoming.event["data"]
    if "chatbotId" not in data or data.get("messageType") in SILENT:
        return None
    answer = await brain(data["text"], data) if data.get("text") else WITHOUT_WORDS
    to = data["contact"].get("userId") or data["contact"].get("waId")
    if not answer or not to:
        return None
    return {
        "chatbotId": data["chatbotId"],
        "to": to,
        "message": answer,
        "messageId": str(uuid5(NAMESPACE, event["id"])),
        "replyTo": data["wamid"],
        "metadata": {"inReplyTo": event["id"]},
    }
