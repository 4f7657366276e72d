"""Reading Meta's messages and statuses: only what we act on, and nothing required that Meta may leave out.

Sources: Meta, "messages webhook reference", "status messages webhook reference", "Business-scoped user ids". Everything
that Meta owns is open: types and statuses are plain strings, unknown fields are skipped.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

_BAD = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Message(msgspec.Struct, rename={"sender": "from"}, frozen=True):
    """The part that every inbound message has."""

    id: str
    type: str = "unknown"
    sender: str | None = None
    from_user_id: str | None = None
    from_parent_user_id: str | None = None
    group_id: str | None = None
    timestamp: str | int | float | None = None


class Status(msgspec.Struct, frozen=True):
    """A status of an outbound message; `timestamp` is when the webhook was triggered, in Unix seconds."""

    id: str
    status: str
    timestamp: str | int | float | None = None
    recipient_participant_id: str | None = None
    recipient_participant_user_id: str | None = None
    biz_opaque_callback_data: str | None = None
    pricing: msgspec.Raw = msgspec.Raw()
    errors: list[msgspec.Raw] | None = None

    @property
    def participant(self) -> str | None:
        """In a group: whom this status is about."""
        return self.recipient_participant_user_id or self.recipient_participant_id


class _Words(msgspec.Struct, frozen=True):
    body: str | None = None
    caption: str | None = None
    text: str | None = None
    title: str | None = None
    emoji: str | None = None
    name: str | None = None
    address: str | None = None
    button_reply: "_Words | None" = None
    list_reply: "_Words | None" = None
    nfm_reply: "_Words | None" = None


class _Context(msgspec.Struct, frozen=True):
    id: str | None = None


class _System(msgspec.Struct, frozen=True):
    body: str | None = None


class _Content(msgspec.Struct, frozen=True):
    text: _Words | None = None
    image: _Words | None = None
    video: _Words | None = None
    document: _Words | None = None
    button: _Words | None = None
    interactive: _Words | None = None
    reaction: _Words | None = None
    location: _Words | None = None
    order: _Words | None = None
    system: _System | None = None
    context: _Context | None = None


class Content(msgspec.Struct, frozen=True):
    """What a message says, as far as we read it."""

    text: str | None = None
    reply_to: str | None = None


_message = msgspec.json.Decoder(Message)
_status = msgspec.json.Decoder(Status)
_content = msgspec.json.Decoder(_Content)


def read_message(raw: msgspec.Raw) -> Message:
    """Raises `msgspec.DecodeError` when it is not a message."""
    return _message.decode(raw)


def read_status(raw: msgspec.Raw) -> Status:
    """Raises `msgspec.DecodeError` when it is not a status."""
    return _status.decode(raw)


def read_content(raw: msgspec.Raw) -> Content:
    """Never fails: a shape that we do not know has no words for us, and goes on unread."""
    try:
        content = _content.decode(raw)
    except _BAD:
        return Content()
    return Content(text=_text_of(content), reply_to=content.context.id if content.context else None)


def read_json(raw: msgspec.Raw) -> Mapping[str, Any]:
    """An object as it is; empty when it is none."""
    try:
        value = msgspec.json.decode(raw)
    except _BAD:
        return {}
    return value if isinstance(value, dict) else {}


def _text_of(content: _Content) -> str | None:
    if content.interactive is not None:
        chosen = content.interactive.button_reply or content.interactive.list_reply or content.interactive.nfm_reply
        return (chosen.title or chosen.body) if chosen else None
    if content.location is not None:
        return content.location.name or content.location.address
    if content.system is not None:
        return content.system.body
    words = (
        content.text
        or content.image
        or content.video
        or content.document
        or content.button
        or content.reaction
        or content.order
    )
    return (words.body or words.caption or words.text or words.emoji) if words else None
