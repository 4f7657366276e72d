"""Parse a batch: each of its messages becomes a request, or the reason why it is refused. Pure.

A batch is decoded message by message. Until its turn comes, a message is a slice of the body (`msgspec.Raw`).
"""

from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from common.contracts.ids import CHATBOT_ID, derive_id
from common.contracts.outbound import plain_json
from common.contracts.sends import SendRequest
from common.contracts.validation.refusals import MOST, refusals
from common.errors import AppError, InvalidInput, TooLarge
from sender.records.limits import MAX_KEYS, check_batch, check_message, check_size
from sender.records.parsing import JSON_ERRORS, MAX_REQUEST_BYTES, ensure_storable, read_object
from sender.records.repeated_keys import has_repeated_key

MAX_ITEMS: Final = 1_000
MAX_BYTES: Final = 8_000_000
MAX_REPORTED: Final = 200
"""Field errors in one answer, over all messages."""

_FRAME: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MESSAGES: Final = msgspec.json.Decoder(list[msgspec.Raw])


class _BatchDefaults(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    chatbot_id: Annotated[str | None, Field(pattern=CHATBOT_ID)] = None
    category: Literal["conversation", "campaign"] = "campaign"
    batch_id: Annotated[str | None, Field(min_length=1, max_length=128)] = None


class Batch(_BatchDefaults):
    """Up to 1,000 messages. `chatbotId` and `category` apply to every message that does not have its own.

    With a `batchId` every message without a `messageId` gets one that follows from the `batchId` and its index, so that
    repeating the batch does not send anything twice.
    """

    messages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_ITEMS)]


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One message of a batch, as JSON and as a request. `named`: a repetition of the batch has the same message id."""

    body: dict[str, Any]
    request: SendRequest
    message_id: str
    named: bool = True

    @property
    def chatbot_id(self) -> str:
        """The chatbot that sends it."""
        return self.request.chatbot_id


class BatchParser:
    """The messages of a batch, one by one. One answer has at most `MAX_REPORTED` field errors."""

    def __init__(self, value: bytes | bytearray) -> None:
        """Raises `TooLarge` or `InvalidInput` for the batch as a whole."""
        self._batch, self._messages = _frame(value)
        self._left = MAX_REPORTED

    def __len__(self) -> int:
        return len(self._messages)

    def item(self, place: int, new_id: str) -> BatchItem | AppError:
        """The message at index `place`, or why it is refused; `new_id` is its id if it has none."""
        try:
            return self._parsed(place, new_id)
        except ValidationError as error:
            most = min(MOST, self._left)
            self._left -= min(error.error_count(), most)
            given = self._body(place)
            return InvalidInput(
                "the message does not have the expected form",
                details=refusals(error, given, model=SendRequest, most=most),
            )
        except AppError as error:
            return error

    def _parsed(self, place: int, new_id: str) -> BatchItem:
        body = self._body(place)
        ensure_storable(body)
        request = SendRequest.model_validate(body)
        batch = self._batch
        derived = derive_id("batch", request.chatbot_id, batch.batch_id, str(place)) if batch.batch_id else new_id
        named = request.message_id is not None or batch.batch_id is not None
        return BatchItem(plain_json(body), request, request.message_id or derived, named)

    def _body(self, place: int) -> dict[str, Any]:
        batch, value = self._batch, bytes(self._messages[place])
        if len(value) > MAX_REQUEST_BYTES:
            raise TooLarge(f"a send request has at most {MAX_REQUEST_BYTES} bytes, this one has {len(value)}")
        check_size(value)
        given = read_object(value)
        check_message(given, value)
        chatbot = {"chatbotId": batch.chatbot_id} if batch.chatbot_id else {}
        return {**chatbot, "category": batch.category, **_without_nulls(given)}


def _frame(value: bytes | bytearray) -> tuple[_BatchDefaults, list[msgspec.Raw]]:
    if len(value) > MAX_BYTES:
        raise TooLarge(f"a batch has at most {MAX_BYTES} bytes, this one has {len(value)}")
    check_batch(value)
    try:
        pieces = _FRAME.decode(value)
        keys = len(pieces)
        messages = _MESSAGES.decode(pieces.pop("messages", b"[]"))
        if len(pieces) > MAX_KEYS:
            raise InvalidInput(f"a batch has at most {MAX_KEYS} fields, this one has {len(pieces)}")
        body = {name: msgspec.json.decode(piece) for name, piece in pieces.items()}
    except JSON_ERRORS as error:
        raise InvalidInput(f"the batch is not a JSON object with a list of `messages`: {error}") from None
    try:
        defaults = _BatchDefaults.model_validate(_without_nulls(body))
    except ValidationError as error:
        raise InvalidInput(
            "the batch does not have the expected form", details=refusals(error, body, model=Batch)
        ) from None
    if has_repeated_key(value, keys, chain(pieces.values(), messages)):
        raise InvalidInput("the batch has one of its fields twice; give it once")
    return defaults, _counted(messages)


def _without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    """Drop null fields, so that a null in a message does not hide the value of the whole batch."""
    return {name: value for name, value in body.items() if value is not None}


def _counted(messages: list[msgspec.Raw]) -> list[msgspec.Raw]:
    if 0 < len(messages) <= MAX_ITEMS:
        return messages
    told = f"give 1 to {MAX_ITEMS} messages"
    wrong = {"field": "messages", "message": told, "limit": MAX_ITEMS, "given": len(messages)}
    raise InvalidInput(f"a batch has 1 to {MAX_ITEMS} messages, this one has {len(messages)}", details=[wrong])


def answer_of(refused: AppError) -> dict[str, Any]:
    """The result of a refused message."""
    error: dict[str, Any] = {"code": refused.error_code, "message": refused.message}
    return {"success": False, "error": error | ({"details": refused.details} if refused.details is not None else {})}
