"""From a record to a job: what a producer wrote, where it stands, and how it is identified. Pure.

Any producer may write to `whatsapp-cloud-send`, so every record is judged. A record that cannot be parsed becomes an
`UnreadableRecord` for the dead-letter queue. A record that names its chatbot but breaks a limit, or cannot be stored,
becomes a job that ends as failed, so that its producer learns of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from common.contracts import ids
from common.contracts.contacts import contact_of_recipient
from common.contracts.messages import MetaError
from common.contracts.outbound import plain_json
from common.contracts.phone_numbers.notations import canonical
from common.contracts.sends import SendRequest
from common.contracts.storable import Unstorable, unstorable
from common.contracts.validation.refusals import as_sentence, refusals
from common.errors import InvalidInput, TooLarge
from common.kafka.records import CORRELATION_ID, TRACEPARENT, TRACESTATE, Outgoing, trace_of
from common.telemetry.trace_context import Trace
from sender.records.limits import check_message, check_size

LAST_DUE: Final = datetime(9998, 12, 31, tzinfo=UTC).timestamp()
"""Unix seconds that no schedule and no retry goes beyond: later ones are no `datetime`."""

JSON_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

MAX_REQUEST_BYTES: Final = 900_000
"""Leaves room in a 1 MiB record for the envelope of the result that carries the request back."""

ATTEMPTS: Final = "attempts"
NOT_BEFORE: Final = "not-before-ms"
MESSAGE_ID: Final = "message-id"
FIRST_FAILED_AT: Final = "first-failed-at"
REPLAY: Final = "replay"
REPLAYS: Final = "replays"
REKEYED_FROM: Final = "rekeyed-from"
RELEASED_FROM: Final = "released-from"
SET_ASIDE: Final = "set-aside"
"""Says of a record that its send has waited beside its conversation; the journal knows since when."""

ORIGIN_TOPIC: Final = "origin-topic"
ORIGIN_PARTITION: Final = "origin-partition"
ORIGIN_OFFSET: Final = "origin-offset"

NOT_UNDERSTOOD: Final = MetaError(reason="invalid_request")

MAX_ID: Final = 128
"""Characters of a message id."""

_NO_CHATBOT: Final = "chatbotId is missing, or no chatbot can have it"
_MAX_TO: Final = 1_000
_MAX_HEADER: Final = 2_048  # bytes, of a name and its value together
_MAX_HEADERS: Final = 16_384  # bytes, of all that go on with a record
_MAX_CHARACTER: Final = 4  # bytes in UTF-8
_MAX_DIGITS: Final = 15
_MAX_TIME: Final = 40
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")  # what Kafka allows
_MOVED: Final = frozenset({REPLAY, REKEYED_FROM, RELEASED_FROM})
_OURS: Final = _MOVED | {MESSAGE_ID, TRACEPARENT, TRACESTATE, CORRELATION_ID}
"""What a record on the send topic tells us by its headers; the others are its producer's own."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record stands in Kafka."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Job:
    """A send to be brought to an end.

    `request` is a `MetaError` when it is invalid. `body` is the request as given, with its `messageId` and its message
    in the form that is kept (None: it cannot be stored, and so its result does not carry it); `value` the bytes as
    given. `attempts` is what the record says was spent; the journal knows better. `due` is in Unix seconds, and so is
    `written_at`, when the record was written (0: not known). `trace` is the span of our work on it. `position` is the
    record's own; `origin` is that of the first record of the send. `headers` are those that go on with it (`carried`).
    `replay` counts the times that operators have had it sent again after it had ended as a dead letter.
    """

    journal_id: str
    chatbot_id: str
    message_id: str
    to: str
    request: SendRequest | MetaError
    body: dict[str, Any] | None
    value: bytes
    trace: Trace
    origin: Position
    position: Position
    headers: Mapping[str, str]
    attempts: int = 0
    due: float = 0.0
    first_failed_at: str | None = None
    replay: int = 0
    written_at: float = 0.0

    @property
    def item_id(self) -> str:
        """What tells the records of this send from others: a replay is not the send that has ended."""
        return f"{self.journal_id}/{self.replay}" if self.replay else self.journal_id

    @property
    def send_at(self) -> float:
        """When it is to be sent, in Unix seconds; 0 when that was not said, or is over."""
        at = self.request.send_at if isinstance(self.request, SendRequest) else None
        return at.timestamp() if at is not None and RELEASED_FROM not in self.headers else 0.0

    @property
    def lane(self) -> str:
        """The conversation: a chatbot has one number, and `to` names one recipient."""
        return lane_of(self.chatbot_id, self.to)


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record that cannot be understood, on its way to the dead-letter queue."""

    value: bytes
    origin: Position
    error: MetaError
    trace: Trace


def lane_of(chatbot_id: str, to: str) -> str:
    """The conversation of a chatbot with whom `to` names: the same for all notations of a phone number."""
    contact = contact_of_recipient(to)
    if contact.wa_id:
        return lane_of_phone(chatbot_id, contact.wa_id)
    aliases = contact.aliases()
    return f"{chatbot_id}|{aliases[0] if aliases else to}"


def lane_of_phone(chatbot_id: str, digits: str) -> str:
    """The conversation of a chatbot with the phone that has this number."""
    return f"{chatbot_id}|p:{canonical(digits)}"


def lane_today(lane: str) -> str:
    """The name that a lane has now: earlier versions had one lane for each notation of a number."""
    chatbot_id, _, phone = lane.partition("|p:")
    return lane_of_phone(chatbot_id, phone) if phone.isdigit() else lane


def parse(value: bytes) -> tuple[SendRequest, dict[str, Any]]:
    """A request and the JSON object it came from.

    Raises `TooLarge`, or `InvalidInput` when it is no JSON object, holds what cannot be stored, or has a wrong field:
    its details say which and why. In the JSON the message is in the one form that is kept (`outbound.nested`).
    """
    check_size(value)  # a record of a producer's is decoded all the same: it is to end as a failed send
    body = _request_object(value)
    ensure_storable(body)  # it names the field: first
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
) -> Job | UnreadableRecord:
    """The job that a record asks for; `retried` records are our own and carry our headers.

    `sampled`: whether it is to be followed, if its producer says nothing of a trace.
    """
    value = value or b""
    trace = trace_of(headers, fallback_correlation_id=_derived_id(position), sampled=sampled)
    ours = headers if retried else {}
    origin = _origin(position, ours)
    try:
        body = _request_object(value)
    except (InvalidInput, TooLarge) as error:
        return UnreadableRecord(value, origin, MetaError(reason="invalid_request", details=error.message), trace)
    chatbot_id = body.get("chatbotId")
    if not ids.is_chatbot_id(chatbot_id):
        return UnreadableRecord(value, origin, MetaError(reason="invalid_request", details=_NO_CHATBOT), trace)
    given = body.get("messageId")
    # A request without a messageId that was moved, released or replayed names the one that its first place gave it.
    named = headers.get(MESSAGE_ID, "") if retried or not _MOVED.isdisjoint(headers) else ""
    message_id = str(given) if _is_id(given) else named if _is_id(named) else _derived_id(position)
    whole = {**body, "messageId": message_id} if given is None else body
    problem = unstorable(body)
    request = _refused(problem) if problem else _validated(whole, value)
    to = body.get("to")
    return Job(
        journal_id=ids.journal_id(str(chatbot_id), message_id),
        chatbot_id=str(chatbot_id),
        message_id=message_id,
        to=to[:_MAX_TO] if isinstance(to, str) else "",  # what is longer is invalid, and is told so
        request=request,
        body=None if problem else plain_json({**body, "messageId": message_id}),
        value=value,
        trace=trace,
        origin=origin,
        position=position,
        headers=carried(headers),
        attempts=_number(ours.get(ATTEMPTS)),
        due=min(_number(ours.get(NOT_BEFORE)) / 1000, LAST_DUE),
        first_failed_at=_time(ours.get(FIRST_FAILED_AT)),
        replay=_number(headers.get(REPLAY)),
        written_at=written_at,
    )


def unreadable(position: Position, value: bytes, reason: str) -> UnreadableRecord:
    """The letter of what Kafka keeps and no client can read: `value` is the batch, `reason` says what is wrong."""
    trace = trace_of({}, fallback_correlation_id=_derived_id(position))
    return UnreadableRecord(value, position, MetaError(reason="unreadable", details=reason), trace)


def rekeyed(job: Job, home: int) -> Outgoing:
    """The record of a request that its producer keyed differently, for the partition of its chatbot."""
    return _moved(job, REKEYED_FROM, home)


def released(job: Job) -> Outgoing:
    """The record of a scheduled request whose time has come, in the partition where it stood."""
    return _moved(job, RELEASED_FROM, job.position.partition)


def _moved(job: Job, marker: str, partition: int) -> Outgoing:
    """The same request in another place.

    Its value stays as it is; a header carries the `messageId` that its first place gave it, so that reading it again
    there is the same send.
    """
    at = job.position
    headers = {**job.headers, MESSAGE_ID: job.message_id, marker: f"{at.topic}/{at.partition}/{at.offset}"}
    pairs = [(name, text.encode()) for name, text in headers.items()]
    return Outgoing(at.topic, job.chatbot_id, job.value, pairs, partition=partition)


def carried(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Those of a record's headers that go on with its request: at most 16 KiB in UTF-8, names and values.

    What is long is left out, and then the producer's own: neither a record nor what is stored may grow too large. (A
    compressed batch can hold headers that are larger than any topic takes.)
    """
    if _MAX_CHARACTER * sum(len(name) + len(text) for name, text in headers.items()) <= _MAX_HEADER:
        return headers
    sizes = {name: len(name.encode()) + len(text.encode()) for name, text in headers.items()}
    kept = {name: headers[name] for name, size in sizes.items() if size <= _MAX_HEADER}
    if sum(sizes[name] for name in kept) <= _MAX_HEADERS:
        return kept
    return {name: text for name, text in kept.items() if name in _OURS}


def headers_of(job: Job, *, attempts: int, first_failed_at: datetime | None) -> dict[str, str]:
    """What a retry or dead-letter record says of its job besides the value."""
    first = first_failed_at.isoformat() if first_failed_at else job.first_failed_at
    return {
        MESSAGE_ID: job.message_id,
        ATTEMPTS: str(attempts),
        **({REPLAY: str(job.replay)} if job.replay else {}),
        **origin_headers(job.origin),
        **({FIRST_FAILED_AT: first} if first else {}),
    }


def origin_headers(origin: Position) -> dict[str, str]:
    """Where the request first stood."""
    return {
        ORIGIN_TOPIC: origin.topic,
        ORIGIN_PARTITION: str(origin.partition),
        ORIGIN_OFFSET: str(origin.offset),
    }


def read_object(value: bytes) -> dict[str, Any]:
    """A JSON object. Raises `InvalidInput`."""
    if not value:
        raise InvalidInput("the request has no body; send a JSON object")
    try:
        body = msgspec.json.decode(value)
    except JSON_ERRORS as error:
        raise InvalidInput(f"the request is not JSON: {error}; send a JSON object") from error
    if not isinstance(body, dict):
        raise InvalidInput("the request is not a JSON object; send one with `chatbotId`, `to` and `message`")
    return body


def ensure_storable(body: Mapping[str, Any]) -> None:
    """Raises `InvalidInput` for JSON that cannot be stored: its details name the field and say why."""
    problem = unstorable(body)
    if problem is not None:
        details = [{"field": problem.path, "message": problem.reason}]
        raise InvalidInput("the request has a field that cannot be stored", details=details)


def _request_object(value: bytes) -> dict[str, Any]:
    if len(value) > MAX_REQUEST_BYTES:
        raise TooLarge(f"a send request has at most {MAX_REQUEST_BYTES} bytes, this one has {len(value)}")
    return read_object(value)


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


def _derived_id(position: Position) -> str:
    """The message id of a request without one: the same however often the record is read."""
    return ids.derive_id("send-request", position.topic, str(position.partition), str(position.offset))


def _origin(position: Position, headers: Mapping[str, str]) -> Position:
    topic = headers.get(ORIGIN_TOPIC, "")
    if not _TOPIC.fullmatch(topic):
        return position
    return Position(topic, _number(headers.get(ORIGIN_PARTITION)), _number(headers.get(ORIGIN_OFFSET)))


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_ID


def _time(text: str | None) -> str | None:
    """An ISO time as our records have it; None for anything else, which would only be carried on."""
    try:
        datetime.fromisoformat(text[:_MAX_TIME] if text else "")
    except ValueError:
        return None
    return text if text and len(text) <= _MAX_TIME else None


def _number(text: str | None) -> int:
    return int(text) if text and len(text) <= _MAX_DIGITS and text.isascii() and text.isdigit() else 0
