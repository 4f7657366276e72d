"""Send requests, as producers write them, and send results, as the sender reports them.

A request on `whatsapp-cloud-send` and the body of `POST /whatsapp-cloud/send` are the same JSON. `message` is a plain
string (a text) or an object with a `type`. Requests are pydantic models, because their errors go back to people and
have to name the field, the limit and what was given; results are events like all others.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    Tag,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from common.contracts.contacts import Contact, contact_of_recipient, recipient
from common.contracts.envelope import Contract, Event
from common.contracts.ids import CHATBOT_ID, MAX_MESSAGE_ID
from common.contracts.messages import MetaError
from common.contracts.outbound import Pin, Reaction, Text, TypedMessage
from common.contracts.outbound.envelope import KINDS, Sent
from common.contracts.outbound.nested import GivenMessage, plain
from common.contracts.outbound.shape import BRANCH, MAX_TEXT, without_nulls

VERSION: Final = 1
ACCEPTED: Final = "send.accepted"
FAILED: Final = "send.failed"
EXPIRED: Final = "send.expired"
CANCELLED: Final = "send.cancelled"
IN_DOUBT: Final = "send.in_doubt"
QUEUED: Final = "send.queued"
DUPLICATE: Final = "send.duplicate"


_LAST_YEAR: Final = 9998
"""A year less than a `datetime` can have, because any offset and any rounding may be added."""


_OF_META: Final = frozenset({*KINDS, "messaging_product"})
_WHOLE_BODY: Final = (
    "`message` is missing: put Meta's object under it, beside `chatbotId` and `to`, for example"
    ' {"chatbotId": "shop-bot", "to": "+4915112345678", "message": {"type": "text", "text": {"body": "Hello"}}}'
)


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


def _form(message: object) -> str | None:
    """Which of the two forms was meant, so that an error speaks of that one only."""
    if isinstance(message, str):
        return f"{BRANCH}string"
    return f"{BRANCH}object" if isinstance(message, dict | BaseModel) else None


def _counted_in_utc(at: datetime) -> datetime:
    """Refuse what leaves the calendar in another time zone, or as a number of seconds."""
    try:
        year = at.astimezone(UTC).year
    except OverflowError:
        year = 0
    if not 1 <= year <= _LAST_YEAR:
        raise ValueError(f"give a time between the years 1 and {_LAST_YEAR}, in UTC")
    return at


_Given = Annotated[
    Annotated[str, Field(min_length=1, max_length=MAX_TEXT), Tag("\0string")]
    | Annotated[GivenMessage, Tag("\0object")],
    Discriminator(
        _form,
        custom_error_type="message_form",
        custom_error_message="give a string (a text) or an object with a `type`",
    ),
]


class _Plain:
    """Validates any form in which a message is given, and makes the one form of it that is used from here on."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(plain, handler.generate_schema(_Given))


Message = Annotated[str | TypedMessage, _Plain]


class SendRequest(_Model):
    """One message to send.

    `to` is a phone number with its country code (E.164; the `+` may be missing), a BSUID or the id of a group.
    `messageId` is the caller's idempotency key, unique per chatbot: a repeated one is not sent again. `replyTo` quotes
    a wamid. `metadata` is the caller's own and comes back in every `message-status` event. A `campaign` goes after the
    same chatbot's conversations, where people wait. After `expiresAt` it is not sent; before `sendAt` it is not sent
    yet, and takes its place in the conversation only then. A field that is null is absent.

    A `message` may have Meta's own form, with its content under the name of its kind; what Meta has around it (`to`,
    `recipient_type`, `context`) has to say the same as the request.

    No object in it has a key twice. All of it has to be storable: no key with a NUL character, no key `$ref`, `$id` or
    `$db`, no whole number beyond 64 bits, at most 100 levels of nesting and 20,000 values. What is open (`metadata`)
    comes back unchanged.
    """

    chatbot_id: Annotated[str, Field(pattern=CHATBOT_ID)]
    to: Annotated[str, Field(min_length=5, max_length=150)]
    message: Message
    metadata: dict[str, Any] | None = None
    message_id: Annotated[str | None, Field(min_length=1, max_length=MAX_MESSAGE_ID)] = None
    reply_to: Annotated[str | None, Field(min_length=1)] = None
    category: Literal["conversation", "campaign"] = "conversation"
    send_at: Annotated[AwareDatetime, AfterValidator(_counted_in_utc)] | None = None
    expires_at: Annotated[AwareDatetime, AfterValidator(_counted_in_utc)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_null(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        message = given.get("message")
        told = {name: value for name, value in given.items() if value is not None}
        if message is None and not _OF_META.isdisjoint(told):
            raise ValueError(_WHOLE_BODY)
        return {**told, "message": without_nulls(message)} if isinstance(message, dict) else told

    @field_validator("to")
    @classmethod
    def _names_somebody(cls, to: str) -> str:
        if not contact_of_recipient(to).aliases():
            recipient(to)  # says what is wrong with it
        return to

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.quoted is not None and isinstance(self.message, Reaction):
            said_in = "replyTo" if self.reply_to is not None else "message.context"
            raise ValueError(f"a reaction cannot have `{said_in}`: it is on its `message_id`")
        if isinstance(self.message, Sent):
            _check_envelope(self, self.message)
        if self.send_at is not None and self.expires_at is not None and self.expires_at <= self.send_at:
            raise ValueError("`expiresAt` has to be after `sendAt`")
        return self

    @property
    def quoted(self) -> str | None:
        """The message (a wamid) that this one answers, wherever that is said."""
        if self.reply_to is None and isinstance(self.message, Sent) and self.message.context is not None:
            return self.message.context.message_id
        return self.reply_to

    @property
    def kind(self) -> str:
        """The type of the message: `text` for a plain string."""
        return "text" if isinstance(self.message, str) else self.message.type

    def typed(self) -> TypedMessage:
        """The message as a typed object, also when it was given as a plain string."""
        return Text(type="text", body=self.message) if isinstance(self.message, str) else self.message


def _check_envelope(request: SendRequest, message: Sent) -> None:
    """What Meta's JSON says around a message, and the request says itself, has to be the same."""
    wanted = contact_of_recipient(request.to)
    name, to = ("to", message.to) if message.to is not None else ("recipient", message.recipient)  # to Meta `to` wins
    if to is not None and contact_of_recipient(to).aliases() != wanted.aliases():
        raise ValueError(f"`message.{name}` and `to` name different recipients; leave out the first")
    kind = "group" if wanted.group_id else "individual"
    if isinstance(message, Pin) and kind != "group":
        raise ValueError("only a message of a group can be pinned, but `to` names no group")
    if message.recipient_type not in {None, kind}:
        raise ValueError(
            f"`message.recipient_type` is {message.recipient_type}, but `to` names no {message.recipient_type}"
        )
    quotes = message.context.message_id if message.context else None
    if None not in {quotes, request.reply_to} and quotes != request.reply_to:
        raise ValueError("`message.context` and `replyTo` quote different messages; give one of them")


class SendResultData(Contract, frozen=True, kw_only=True):
    """How a send stands.

    `journalId` is our id of the send, `messageId` the caller's. `request` is the request as given (camelCase).
    `contact` is who Meta says the recipient is, which may differ from `to`. `attempts` counts calls to Meta. `due` is
    when a send that waits is tried again, and `error` then says what it waits for. `messageStatus` is what Meta said it
    does with a message that it accepted: `accepted`, `held_for_quality_assessment` or `paused` (template pacing); it
    need not say anything.
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
    message_status: str | None = None
    error: MetaError | None = None
    due: datetime | None = None
    request: dict[str, Any] | None = None


class SendResult(Event, frozen=True, kw_only=True):
    """A send's outcome; `type` is one of this module's seven."""

    data: SendResultData
