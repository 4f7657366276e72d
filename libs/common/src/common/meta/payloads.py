"""Reading Meta's messages and statuses: only what we act on, and nothing required that Meta may leave out.

Sources: Meta, "messages webhook reference", "status messages webhook reference", "Business-scoped user ids". Everything
that Meta owns is open: types and statuses are plain strings, unknown fields are skipped. A field of another type than
documented is read as far as it can be (`common.meta.lenient`), and never hides its neighbours.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from common.contracts.messages import MetaError
from common.meta.lenient import BAD, Lenient

_MAX_FAILURE: Final = 100  # characters of the codes of one status
_CODE_DIGITS: Final = 18  # fit into 64 bits, as MongoDB has them


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
    def failure(self) -> str:
        """What tells this failure from another one of the same message; "" without a failure."""
        return failure_key(msgspec.Raw(b"[" + b",".join(map(bytes, self.errors[:3])) + b"]")) if self.errors else ""

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


class _Details(msgspec.Struct, frozen=True):
    details: str | None = None


class _Error(msgspec.Struct, frozen=True):
    code: str | None = None
    title: str | None = None
    error_data: _Details | None = None


class _Errors(msgspec.Struct, frozen=True, array_like=True):
    """The first of a list of errors, which may be long."""

    first: msgspec.Raw = msgspec.Raw()
    second: msgspec.Raw = msgspec.Raw()
    third: msgspec.Raw = msgspec.Raw()


_message = Lenient(Message)
_status = Lenient(Status)
_content = Lenient(_Content)
_error = Lenient(_Error)
_errors = msgspec.json.Decoder(_Errors)


def read_message(raw: msgspec.Raw) -> Message:
    """Raises `msgspec.DecodeError` when it is not a message."""
    return _message.decode(raw)


def read_status(raw: msgspec.Raw) -> Status:
    """Raises `msgspec.DecodeError` when it is not a status."""
    return _status.decode(raw)


def read_content(raw: msgspec.Raw) -> Content:
    """Never fails: a shape that we do not know has no text, and is passed on unread."""
    try:
        content = _content.decode(raw)
    except BAD:
        return Content()
    return Content(text=_text_of(content), reply_to=content.context.id if content.context else None)


def failure_key(errors: msgspec.Raw) -> str:
    """What tells one failure of a message from another: the codes of its first three errors; "" without errors."""
    raw = bytes(errors).strip() if len(errors) else b""
    if not raw.startswith((b"[", b"{")):
        return ""
    try:
        found = _errors.decode(raw if raw.startswith(b"[") else b"[" + raw + b"]")
    except BAD:
        return ""
    names = [_name_of(error) for error in (found.first, found.second, found.third) if bytes(error)]
    return "+".join(names)[:_MAX_FAILURE]


def meta_error(raw: msgspec.Raw) -> MetaError:
    """One of Meta's errors, as far as it is understood. A code that is not a number is shown with the title."""
    error = _read_error(raw)
    code = error.code or ""
    is_number = code.removeprefix("-").isdecimal() and code.isascii() and len(code) <= _CODE_DIGITS
    title = error.title if is_number or not code else ": ".join(filter(None, (code, error.title)))
    details = error.error_data.details if error.error_data else None
    return MetaError(code=int(code) if is_number else None, title=title, details=details)


def _read_error(raw: msgspec.Raw) -> _Error:
    try:
        return _error.decode(raw)
    except BAD:
        return _Error(title=bytes(raw).decode("utf-8", "replace").strip('"') if len(raw) <= _MAX_FAILURE else "?")


def _name_of(raw: msgspec.Raw) -> str:
    error = _read_error(raw)
    return error.code or error.title or "?"


def read_json(raw: msgspec.Raw) -> Mapping[str, Any]:
    """An object as it is; empty for anything else."""
    try:
        value = msgspec.json.decode(raw)
    except BAD:
        return {}
    return value if isinstance(value, dict) else {}


def _text_of(content: _Content) -> str | None:
    """The words of whichever part has some: an empty part of another kind hides none."""
    return next(filter(None, _texts_of(content)), None)


def _texts_of(content: _Content) -> Iterator[str | None]:
    if content.interactive is not None:
        chosen = content.interactive.button_reply or content.interactive.list_reply or content.interactive.nfm_reply
        yield (chosen.title or chosen.body) if chosen else None
    if content.location is not None:
        yield content.location.name or content.location.address
    if content.system is not None:
        yield content.system.body
    rest = (content.image, content.video, content.document, content.button, content.reaction, content.order)
    for words in (content.text, *rest):
        if words is not None:
            yield words.body or words.caption or words.text or words.emoji
