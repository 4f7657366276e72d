"""From a Kafka record or an HTTP body to a send request, or to the reason why it is none. Pure.

Any producer may write to `whatsapp-cloud-send`, so every record is judged. A record that cannot be parsed becomes an
`UnreadableRecord` for the dead-letter queue. A record that names its chatbot but breaks a limit, or cannot be stored,
becomes a job that ends as failed, so that its producer learns of it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from common.contracts import ids
from common.contracts.messages import MetaError
from common.contracts.outbound import plain_json
from common.contracts.send_headers import (
    ATTEMPTS,
    FIRST_FAILED_AT,
    MESSAGE_ID,
    MOVED,
    NOT_BEFORE,
    ORIGIN_OFFSET,
    ORIGIN_PARTITION,
    ORIGIN_TOPIC,
    REPLAY,
)
from common.contracts.sends import SendRequest
from common.contracts.storable import Unstorable, unstorable
from common.contracts.validation.refusals import as_sentence, refusals
from common.errors import InvalidInput, TooLarge
from common.kafka.records import trace_of
from sender.records.headers import carried, is_topic, number_of, time_of
from sender.records.job import Job, Position, UnreadableRecord
from sender.records.limits import check_message, check_size
from sender.records.repeated_keys import repeated_key

LAST_DUE: Final = datetime(9998, 12, 31, tzinfo=UTC).timestamp()
"""Unix seconds. No schedule and no retry is later, because a later time is no `datetime`."""

JSON_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

MAX_REQUEST_BYTES: Final = 900_000
"""Leaves room in a 1 MiB record for the envelope of the result that carries the request back."""

NOT_UNDERSTOOD: Final = MetaError(reason="invalid_request")

"""Characters of a message id."""

_NO_CHATBOT: Final = "chatbotId is missing, or no chatbot can have it"
_MAX_TO: Final = 1_000


def parse(value: bytes) -> tuple[SendRequest, dict[str, Any]]:
    """A request and the JSON object it came from.

    Raises `TooLarge`, or `InvalidInput` when it is no JSON object, cannot be stored, or has a wrong field; its details
    say which and why. In the JSON the message is in the one form that is kept (`outbound.nested`).
    """
    check_size(value)  # for HTTP only: a Kafka record is decoded all the same, so that its send ends as failed
    body = _request_object(value)
    ensure_storable(body)  # first, because it names the field
    check_message(body, value)
    try:
        return SendRequest.model_validate(body), plain_json(body)
    except ValidationError as error:
        raise InvalidInput(
            "the request does not have the expected form", details=refusals(error, body, model=SendRequest)
        ) from None


def read_record(
    position: Position,
    value: bytes | None,
    headers: Mapping[str, str],
    *,
    retried: bool,
    sampled: bool = False,
    written_at: float = 0.0,
    dated_at: int | None = None,
) -> Job | UnreadableRecord:
    """The job that a record asks for; `retried` records are our own and carry our headers.

    `sampled`: whether to trace it when its producer gave no trace. `dated_at`: the time that goes into the message id
    of a request without one (`ids.request_id`).
    """
    value = value or b""
    trace = trace_of(headers, fallback_correlation_id=_derived_id(position), sampled=sampled)
    ours = headers if retried else {}
    origin = _origin(position, ours)
    try:
        body = _request_object(value, ours=retried)
    except (InvalidInput, TooLarge) as error:
        return UnreadableRecord(value, origin, MetaError(reason="invalid_request", details=error.message), trace)
    chatbot_id = body.get("chatbotId")
    if not ids.is_chatbot_id(chatbot_id):
        return UnreadableRecord(value, origin, MetaError(reason="invalid_request", details=_NO_CHATBOT), trace)
    given = body.get("messageId")
    # A request without a messageId got one at its first position; moved, released and replayed records carry it.
    named = headers.get(MESSAGE_ID, "") if retried or not MOVED.isdisjoint(headers) else ""
    known = str(given) if ids.is_message_id(given) else named if ids.is_message_id(named) else None
    message_id = known or _derived_id(position, dated_at)
    whole = {**body, "messageId": message_id} if given is None else body
    problem = unstorable(body)
    request = _refused(problem) if problem else _validated(whole, value)
    to = body.get("to")
    return Job(
        journal_id=ids.journal_id(str(chatbot_id), message_id),
        chatbot_id=str(chatbot_id),
        message_id=message_id,
        to=to[:_MAX_TO] if isinstance(to, str) else "",  # a longer one is invalid, and its error says so
        request=request,
        body=None if problem else plain_json({**body, "messageId": message_id}),
        value=value,
        trace=trace,
        origin=origin,
        position=position,
        headers=carried(headers),
        attempts=number_of(ours.get(ATTEMPTS)),
        due=min(number_of(ours.get(NOT_BEFORE)) / 1000, LAST_DUE),
        first_failed_at=time_of(ours.get(FIRST_FAILED_AT)),
        replay=number_of(headers.get(REPLAY)),
        written_at=written_at,
        dated_at=None if known else dated_at,
    )


def unreadable(position: Position, value: bytes, reason: str) -> UnreadableRecord:
    """The dead letter of a batch that Kafka keeps and no client can read: `value` is the batch, `reason` the fault."""
    trace = trace_of({}, fallback_correlation_id=_derived_id(position))
    return UnreadableRecord(value, position, MetaError(reason="unreadable", details=reason), trace)


def read_object(value: bytes, *, ours: bool = False) -> dict[str, Any]:
    """A JSON object. Raises `InvalidInput`, also when an object has a key twice; in `ours` that was checked before."""
    if not value:
        raise InvalidInput("the request has no body; send a JSON object")
    try:
        body = msgspec.json.decode(value)
    except JSON_ERRORS as error:
        raise InvalidInput(f"the request is not JSON: {error}; send a JSON object") from error
    if not isinstance(body, dict):
        raise InvalidInput("the request is not a JSON object; send one with `chatbotId`, `to` and `message`")
    if not ours and (key := repeated_key(value, body)) is not None:
        raise InvalidInput(f"an object of the request has the key `{key}` twice; give it once")
    return body


def ensure_storable(body: Mapping[str, Any]) -> None:
    """Raises `InvalidInput` for JSON that cannot be stored: its details name the field and say why."""
    problem = unstorable(body)
    if problem is not None:
        details = [{"field": problem.path, "message": problem.reason}]
        raise InvalidInput("the request has a field that cannot be stored", details=details)


def _request_object(value: bytes, *, ours: bool = False) -> dict[str, Any]:
    if len(value) > MAX_REQUEST_BYTES:
        raise TooLarge(f"a send request has at most {MAX_REQUEST_BYTES} bytes, this one has {len(value)}")
    return read_object(value, ours=ours)


def _refused(problem: Unstorable) -> MetaError:
    return MetaError(reason="invalid_request", details=f"{problem.path}: {problem.reason}")


def _validated(body: dict[str, Any], value: bytes) -> SendRequest | MetaError:
    try:
        check_message(body, value)
        return SendRequest.model_validate(body)
    except InvalidInput as error:
        return MetaError(reason="invalid_request", details=error.message)
    except ValidationError as error:
        return MetaError(
            reason="invalid_request", details=as_sentence(refusals(error, body, model=SendRequest))[:2_000]
        )


def _derived_id(position: Position, dated_at: int | None = None) -> str:
    return ids.request_id(position.topic, position.partition, position.offset, dated_at)


def _origin(position: Position, headers: Mapping[str, str]) -> Position:
    topic = headers.get(ORIGIN_TOPIC, "")
    if not is_topic(topic):
        return position
    return Position(topic, number_of(headers.get(ORIGIN_PARTITION)), number_of(headers.get(ORIGIN_OFFSET)))
