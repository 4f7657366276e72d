"""Messages as Meta's own JSON has them: the content under the name of its kind.

`{"type": "text", "text": {"body": "Hi"}}` says the same as `{"type": "text", "body": "Hi"}`. Both are taken, and from
then on there is only the second: `plain` makes it of a checked object, `plain_json` of the JSON that is kept.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, Discriminator, Tag, model_validator

from common.contracts.outbound.basic import (
    Contacts,
    Location,
    LocationContent,
    MarkAsRead,
    Pin,
    Reaction,
    ReactionContent,
    Text,
    TextContent,
)
from common.contracts.outbound.envelope import ENVELOPE, KINDS, Sent, kind_of
from common.contracts.outbound.interactive import Interactive
from common.contracts.outbound.media import (
    Audio,
    AudioContent,
    CaptionedSource,
    Document,
    DocumentContent,
    Image,
    Source,
    Sticker,
    Video,
)
from common.contracts.outbound.shape import BRANCH, Shape, Wamid, without_nulls
from common.contracts.outbound.template import Template

TypedMessage = (
    Text
    | Image
    | Video
    | Document
    | Audio
    | Sticker
    | Location
    | Contacts
    | Reaction
    | Interactive
    | Template
    | Pin
    | MarkAsRead
)
"""A message object; `type` says which."""

_ALIKE: Final = frozenset({"contacts", "interactive", "template", "pin"})
"""Kinds that look the same in both forms."""

_SHAPED: Final = frozenset({*KINDS, "read"}) - _ALIKE
"""Kinds that do not."""

_AROUND: Final = ENVELOPE - {"recipient_identity_key_hash"}
"""What the request says itself."""


class Nested(Sent):
    """A message whose content stands under the name of its kind."""

    flat: ClassVar[type[BaseModel]]
    type: str

    @model_validator(mode="before")
    @classmethod
    def _in_one_form(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        kind = kind_of(given)
        inner = given.get(kind or "")
        if isinstance(inner, Mapping):
            for name in cls.flat.model_fields.keys() & given.keys() - ENVELOPE - {"type"}:
                if name in inner and inner[name] != given[name]:
                    raise ValueError(f"`{name}` and `{kind}.{name}` contradict each other; give one of them")
            given = {name: value for name, value in given.items() if name not in inner or inner[name] != value}
        return given


class NestedText(Nested):
    """A text in Meta's form."""

    flat = Text
    type: Literal["text"] = "text"
    text: TextContent


class NestedImage(Nested):
    """An image in Meta's form."""

    flat = Image
    type: Literal["image"] = "image"
    image: CaptionedSource


class NestedVideo(Nested):
    """A video in Meta's form."""

    flat = Video
    type: Literal["video"] = "video"
    video: CaptionedSource


class NestedDocument(Nested):
    """A file in Meta's form."""

    flat = Document
    type: Literal["document"] = "document"
    document: DocumentContent


class NestedAudio(Nested):
    """A sound file in Meta's form."""

    flat = Audio
    type: Literal["audio"] = "audio"
    audio: AudioContent


class NestedSticker(Nested):
    """A sticker in Meta's form."""

    flat = Sticker
    type: Literal["sticker"] = "sticker"
    sticker: Source


class NestedLocation(Nested):
    """A place in Meta's form."""

    flat = Location
    type: Literal["location"] = "location"
    location: LocationContent


class NestedReaction(Nested):
    """A reaction in Meta's form."""

    flat = Reaction
    type: Literal["reaction"] = "reaction"
    reaction: ReactionContent


class TypingIndicator(Shape):
    """A typing indicator."""

    type: Literal["text"]


class ReadStatus(Shape):
    """A read mark in Meta's form, with or without a typing indicator."""

    type: Literal["read"] = "read"
    status: Literal["read"]
    message_id: Wamid
    typing_indicator: TypingIndicator | None = None
    messaging_product: Literal["whatsapp"] | None = None


def _branch(message: object) -> str | None:
    if isinstance(message, BaseModel):
        return f"{BRANCH}{message.type}"  # type: ignore[attr-defined]  # the flat models all have it
    if not isinstance(message, Mapping):
        return None
    kind = kind_of(message)
    if kind is None or kind in _ALIKE:
        return kind and BRANCH + kind
    return f"{BRANCH}{kind} of Meta" if _is_nested(message, kind) else f"{BRANCH}{kind}"


def _is_nested(message: Mapping[str, Any], kind: str) -> bool:
    return kind in _SHAPED and message.get("status" if kind == "read" else kind) is not None


GivenMessage = Annotated[
    Annotated[Text, Tag("\0text")]
    | Annotated[Image, Tag("\0image")]
    | Annotated[Video, Tag("\0video")]
    | Annotated[Document, Tag("\0document")]
    | Annotated[Audio, Tag("\0audio")]
    | Annotated[Sticker, Tag("\0sticker")]
    | Annotated[Location, Tag("\0location")]
    | Annotated[Contacts, Tag("\0contacts")]
    | Annotated[Reaction, Tag("\0reaction")]
    | Annotated[Interactive, Tag("\0interactive")]
    | Annotated[Template, Tag("\0template")]
    | Annotated[Pin, Tag("\0pin")]
    | Annotated[MarkAsRead, Tag("\0read")]
    | Annotated[NestedText, Tag("\0text of Meta")]
    | Annotated[NestedImage, Tag("\0image of Meta")]
    | Annotated[NestedVideo, Tag("\0video of Meta")]
    | Annotated[NestedDocument, Tag("\0document of Meta")]
    | Annotated[NestedAudio, Tag("\0audio of Meta")]
    | Annotated[NestedSticker, Tag("\0sticker of Meta")]
    | Annotated[NestedLocation, Tag("\0location of Meta")]
    | Annotated[NestedReaction, Tag("\0reaction of Meta")]
    | Annotated[ReadStatus, Tag("\0read of Meta")],
    Discriminator(
        _branch,
        custom_error_type="message_type",
        custom_error_message=f"give a `type`: one of {', '.join(KINDS)}, read",
    ),
]
"""A message object as it was given, in either form."""


def plain(message: Any) -> Any:
    """The message in the one form that is used from here on; anything but a nested one is returned as it is."""
    if isinstance(message, ReadStatus):
        typing = message.typing_indicator is not None
        return MarkAsRead(type="read", message_id=message.message_id, **({"typing": True} if typing else {}))
    if not isinstance(message, Nested):
        return message
    inner = getattr(message, message.type)
    fields = {name: getattr(inner, name) for name in type(inner).model_fields}
    around = {name: getattr(message, name) for name in ENVELOPE}
    given = inner.model_fields_set | (message.model_fields_set & ENVELOPE) | {"type"}
    return message.flat.model_construct(_fields_set=given, type=message.type, **fields, **around)


def plain_json(request: dict[str, Any]) -> dict[str, Any]:
    """A request's JSON with its message in that form. Never fails: what is not understood stays as it is."""
    message = request.get("message")
    kind = kind_of(message) if isinstance(message, dict) else None
    if kind is None or not isinstance(message, dict):
        return request
    if "type" in message and _AROUND.isdisjoint(message) and not _is_nested(message, kind):
        return request
    context = message.get("context")
    quoted = context.get("message_id") if isinstance(context, dict) else None
    reply = {"replyTo": quoted} if isinstance(quoted, str) and request.get("replyTo") is None else {}
    return {**request, **reply, "message": _plain_message(message, kind)}


def _plain_message(message: dict[str, Any], kind: str) -> dict[str, Any]:
    kept = {name: value for name, value in without_nulls(message).items() if name not in _AROUND}
    inner = kept.get(kind)
    if kind == "read" and "status" in kept:
        typing = {"typing": True} if kept.get("typing_indicator") else {}
        return {"type": kind, "message_id": kept.get("message_id"), **typing}
    if kind in _ALIKE or not isinstance(inner, dict):
        return {**kept, "type": kind}
    beside = {name: value for name, value in kept.items() if name != kind}
    return {**beside, **inner, "type": kind}
