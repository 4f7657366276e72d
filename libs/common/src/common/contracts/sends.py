"""Send requests, as producers write them, and send results, as the sender reports them.

A request on `whatsapp-cloud-send` and the body of `POST /whatsapp-cloud/send` are the same JSON. `message` is a plain
string (a text) or an object with a `type`. Requests are pydantic models, because their errors go back to people and
have to name the field, the limit and what was given; results are events like all others.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator
from pydantic.alias_generators import to_camel

from common.contracts.envelope import Contract, Event
from common.contracts.messages import MetaError
from common.contracts.people import Contact, contact_of_recipient

VERSION: Final = 1
ACCEPTED: Final = "send.accepted"
FAILED: Final = "send.failed"
EXPIRED: Final = "send.expired"
IN_DOUBT: Final = "send.in_doubt"

MAX_TEXT: Final = 4096
MAX_CAPTION: Final = 1024


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class _Typed(BaseModel):
    """Message objects keep Meta's own snake_case names, so that examples from Meta's pages work as they stand."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(_Typed):
    """A text; `preview_url` asks WhatsApp to show a preview of its first link."""

    type: Literal["text"]
    body: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    preview_url: bool = False


class _Media(_Typed):
    """By uploaded `id` or by a `link` that Meta fetches: exactly one of them."""

    id: str | None = None
    link: Annotated[str | None, Field(pattern=r"^https?://")] = None

    @model_validator(mode="after")
    def _one_source(self) -> "_Media":
        if (self.id is None) == (self.link is None):
            raise ValueError("give exactly one of `id` (uploaded media) and `link` (an http(s) URL)")
        return self


class Image(_Media):
    """An image with an optional caption."""

    type: Literal["image"]
    caption: Annotated[str | None, Field(max_length=MAX_CAPTION)] = None


class Video(_Media):
    """A video with an optional caption."""

    type: Literal["video"]
    caption: Annotated[str | None, Field(max_length=MAX_CAPTION)] = None


class Document(_Media):
    """A file; `filename` is what the recipient sees."""

    type: Literal["document"]
    caption: Annotated[str | None, Field(max_length=MAX_CAPTION)] = None
    filename: str | None = None


class Audio(_Media):
    """A sound file, or a voice note when `voice` is set."""

    type: Literal["audio"]
    voice: bool = False


class Sticker(_Media):
    """A sticker."""

    type: Literal["sticker"]


class Location(_Typed):
    """A place; latitude and longitude in degrees."""

    type: Literal["location"]
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    name: str | None = None
    address: str | None = None


class Contacts(_Typed):
    """Contact cards, each as Meta shapes it."""

    type: Literal["contacts"]
    contacts: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=257)]


class Reaction(_Typed):
    """An emoji on an earlier message (a wamid); an empty emoji takes it back."""

    type: Literal["reaction"]
    message_id: Annotated[str, Field(min_length=1)]
    emoji: str


class Interactive(_Typed):
    """Buttons, lists, flows and the other interactive kinds, as Meta shapes `interactive`."""

    type: Literal["interactive"]
    interactive: dict[str, Any]


class Template(_Typed):
    """An approved template: `template` as Meta shapes it (name, language, components)."""

    type: Literal["template"]
    template: dict[str, Any]


class MarkAsRead(_Typed):
    """Marks a customer's message (a wamid), and all before it, as read; `typing` shows the indicator for up to 25 s."""

    type: Literal["read"]
    message_id: Annotated[str, Field(min_length=1)]
    typing: bool = False


TypedMessage = Annotated[
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
    | MarkAsRead,
    Field(discriminator="type"),
]


def _form(message: object) -> str | None:
    """Which of the two forms was meant, so that an error speaks of that one only."""
    if isinstance(message, str):
        return "string"
    return "object" if isinstance(message, dict | BaseModel) else None


Message = Annotated[
    Annotated[str, Field(min_length=1, max_length=MAX_TEXT), Tag("string")] | Annotated[TypedMessage, Tag("object")],
    Discriminator(
        _form,
        custom_error_type="message_form",
        custom_error_message="give a string (a text) or an object with a `type`",
    ),
]


class SendRequest(_Model):
    """One message to send.

    `to` is a phone number (E.164, the `+` may be missing) or a BSUID. `messageId` is the caller's idempotency key,
    unique per chatbot: a repeated one is not sent again. `replyTo` quotes a wamid. `metadata` is the caller's own and
    comes back in every `message-status` event.
    """

    chatbot_id: Annotated[str, Field(min_length=1, max_length=128)]
    to: Annotated[str, Field(min_length=5, max_length=150)]
    message: Message
    metadata: dict[str, Any] | None = None
    message_id: Annotated[str | None, Field(min_length=1, max_length=128)] = None
    reply_to: Annotated[str | None, Field(min_length=1)] = None
    expires_at: AwareDatetime | None = None

    @field_validator("to")
    @classmethod
    def _names_somebody(cls, to: str) -> str:
        if not contact_of_recipient(to).aliases():
            raise ValueError("give a phone number (E.164, e.g. +4915112345678) or a BSUID (e.g. DE.1349…)")
        return to

    def typed(self) -> TypedMessage:
        """The message as a typed object, also when it was given as a plain string."""
        return Text(type="text", body=self.message) if isinstance(self.message, str) else self.message


class SendResultData(Contract, frozen=True, kw_only=True):
    """How a send stands.

    `journalId` is our id of the send, `messageId` the caller's. `request` is the request as given (camelCase).
    `contact` is who Meta says the recipient is, which may differ from `to`. `attempts` counts calls to Meta.
    """

    journal_id: str
    chatbot_id: str
    message_id: str
    to: str
    attempts: int
    at: datetime
    phone_number_id: str | None = None
    contact: Contact | None = None
    wamid: str | None = None
    error: MetaError | None = None
    request: dict[str, Any] | None = None


class SendResult(Event, frozen=True, kw_only=True):
    """A send's outcome; `type` is one of this module's four."""

    data: SendResultData
