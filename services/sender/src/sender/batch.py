"""Many requests in one call: what each of them asks for, or why it is refused. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from common.contracts.ids import derive_id
from common.contracts.refusals import refusals
from common.contracts.sends import SendRequest
from common.errors import AppError, InvalidInput, TooLarge
from sender.requests import ensure_storable, read_object

MAX_ITEMS: Final = 1_000
MAX_BYTES: Final = 8_000_000


class Batch(BaseModel):
    """Up to 1,000 messages. `chatbotId` and `category` are those of every message that does not say its own.

    With a `batchId` every message without a `messageId` gets one that follows from it and its place, so that a batch
    that is sent again is not sent twice.
    """

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    messages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_ITEMS)]
    chatbot_id: Annotated[str | None, Field(min_length=1, max_length=128)] = None
    category: Literal["conversation", "campaign"] = "campaign"
    batch_id: Annotated[str | None, Field(min_length=1, max_length=128)] = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """One message of a batch: its JSON, and whose it is."""

    body: dict[str, Any]
    chatbot_id: str
    message_id: str


def parse_batch(value: bytes) -> Batch:
    """Raises `TooLarge` or `InvalidInput` for the batch as a whole."""
    if len(value) > MAX_BYTES:
        raise TooLarge(f"a batch has at most {MAX_BYTES} bytes, this one has {len(value)}")
    body = read_object(value)
    ensure_storable(_without_items(body))
    try:
        return Batch.model_validate(body)
    except ValidationError as error:
        raise InvalidInput("the batch does not have the expected form", details=refusals(error, body)) from None


def _without_items(body: dict[str, Any]) -> dict[str, Any]:
    """The batch without the messages that are checked one by one."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    return {**body, "messages": [given for given in messages if not isinstance(given, dict)]}


def items_of(batch: Batch, new_ids: Sequence[str]) -> list[Wanted | AppError]:
    """Each message, in order, or why it is refused; `new_ids` are for those without a message id."""
    return [_item(batch, body, place, new_ids[place]) for place, body in enumerate(batch.messages)]


def _item(batch: Batch, given: dict[str, Any], place: int, new_id: str) -> Wanted | AppError:
    body = {**({"chatbotId": batch.chatbot_id} if batch.chatbot_id else {}), "category": batch.category, **given}
    try:
        ensure_storable(body)
        request = SendRequest.model_validate(body)
    except InvalidInput as refused:
        return refused
    except ValidationError as error:
        return InvalidInput("the message does not have the expected form", details=refusals(error, body))
    derived = derive_id("batch", request.chatbot_id, batch.batch_id, str(place)) if batch.batch_id else new_id
    return Wanted(body, request.chatbot_id, request.message_id or derived)


def answer_of(refused: AppError) -> dict[str, Any]:
    """A refusal as the answer shows it."""
    error: dict[str, Any] = {"code": refused.error_code, "message": refused.message}
    return {"success": False, "error": error | ({"details": refused.details} if refused.details is not None else {})}
