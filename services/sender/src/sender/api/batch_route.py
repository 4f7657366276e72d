"""`POST /whatsapp-cloud/send/batch`: many messages in one call, each with its own result."""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler

from common.contracts.accounts import AccountData
from common.errors import AppError, TooLarge, Unavailable
from common.http.auth import ApiKey, check_chatbot
from common.http.openapi_responses import KAFKA_AWAY, documented
from common.http.request_body import body_in_time
from common.http.uploads.capacity import Capacity
from common.kafka.consume.table import Table
from common.kafka.produce.publisher import Publisher
from common.kafka.records import Outgoing
from common.telemetry.trace_context import Trace
from sender import telemetry
from sender.api import answers
from sender.api.batch import MAX_BYTES, Batch, BatchItem, BatchParser, answer_of
from sender.api.enqueue import ensure_sendable, ensure_unexpired, entered, record_of
from sender.api.openapi import body_of
from sender.api.warnings import Named, WarningFinder, is_past, named, past_warnings, sentence_of_batch

_SLICE_SECONDS: Final = 0.003
_LARGE_BYTES: Final = 131_072
_LEAST_BYTES: Final = 16_384  # a small batch counts as this many, because it costs more than its bytes


class Admission:
    """Limits the batches under way to `most` bytes of bodies, and parses one batch at a time.

    One API key may use half of these bytes, or one batch of the largest size.
    """

    def __init__(self, most: int) -> None:
        self._room = Capacity(most, "batches", each=max(MAX_BYTES, most // 2))
        self.parsing = asyncio.Lock()

    @contextmanager
    def held(self, request: Request[Any, Any, Any]) -> Iterator[None]:
        """Reserve the bytes of one batch before its body is read. Raises `TooLarge` or `TooManyRequests`."""
        told = request.content_length
        if told is not None and told > MAX_BYTES:
            raise TooLarge(f"a batch has at most {MAX_BYTES} bytes, this one has {told}")
        key: ApiKey = request.state.api_key
        with self._room.held(MAX_BYTES if told is None else max(told, _LEAST_BYTES), key.sha256):
            yield


@dataclass(slots=True)
class _BatchOutcome:
    """The result of each message, the records of the valid ones, and by index those whose caller gave an id."""

    results: list[dict[str, Any]] = field(default_factory=list)
    records: list[Outgoing] = field(default_factory=list)
    named: dict[int, Named] = field(default_factory=dict)

    def add(self, item: BatchItem, record: Outgoing, now: datetime) -> None:
        """Add a valid message."""
        place = len(self.results)
        result: dict[str, Any] = {"index": place, "success": True, "messageId": item.message_id}
        if is_past(item.request.send_at, now):
            result["warnings"] = past_warnings()
        if item.named:
            self.named[place] = named(item.chatbot_id, item.message_id, item.body)
        self.results.append(result)
        self.records.append(record)


def batch_route(
    publisher: Publisher,
    accounts: Table[AccountData],
    admission: Admission,
    warning_finder: WarningFinder,
    now: Callable[[], datetime],
) -> HTTPRouteHandler:
    """The route."""

    @post(
        "/send/batch",
        operation_id="sendBatch",
        status_code=200,
        summary="Send many messages",
        operation_class=body_of(Batch, answers.BATCH_EXAMPLES),
        request_max_body_size=MAX_BYTES,
        responses=documented(
            answers.BatchAnswer,
            answers.BATCHED,
            "send",
            {
                400: answers.NO_MESSAGES,
                413: answers.BATCH_TOO_LARGE,
                429: answers.BATCHES_UNDER_WAY,
                503: KAFKA_AWAY,
            },
        ),
    )
    async def batch(request: Request[Any, Any, Any]) -> dict[str, Any]:
        """Check up to 1,000 messages and put the valid ones on `whatsapp-cloud-send`, in their order.

        The answer has one result per message, in order: a `messageId`, or the error of `POST /send`. Without a
        `category` they are campaign messages. With a `batchId`, or a `messageId` each, repeating the call is safe, and
        `message` says how many were enqueued before. `warnings` of a result are `cancelled`, `duplicate` or
        `send_at_past`, as in `POST /send`.
        """
        trace, began = entered(request.headers), time.time_ns()
        with admission.held(request):
            body = await body_in_time(request)
            async with admission.parsing:
                judged = await _judged(request, accounts, body, trace, now())
            message = await _published(publisher, warning_finder, judged)
            if judged.records:
                telemetry.note_request(trace, "/whatsapp-cloud/send/batch", began)
        enqueued, results = len(judged.records), judged.results
        data = {"enqueued": enqueued, "refused": len(results) - enqueued, "results": results}
        return {"success": True, "message": message, "data": data}

    return batch


async def _published(publisher: Publisher, warning_finder: WarningFinder, judged: _BatchOutcome) -> str:
    """Write the records, add warnings to the results, and return the `message` of the answer."""
    if not judged.named:
        if judged.records:
            await publisher.publish(judged.records)
        return sentence_of_batch(len(judged.records), [])
    looking = warning_finder.begin_batch(list(judged.named.values()))
    try:
        await publisher.publish(judged.records)
    except BaseException:
        looking.cancel()
        warning_finder.forget(request.journal_id for request in judged.named.values())
        raise
    found = await warning_finder.result_of(looking, [])
    for place, findings in zip(judged.named, found, strict=False):
        if findings.warnings:
            result = judged.results[place]
            result["warnings"] = [*result.get("warnings", ()), *findings.warnings]
    return sentence_of_batch(len(judged.records), found)


async def _judged(
    request: Request[Any, Any, Any], accounts: Table[AccountData], body: bytearray, trace: Trace, now: datetime
) -> _BatchOutcome:
    """Parse and check each message. Other requests get their turns in between."""
    known: dict[str, AppError | None] = {}
    judged = _BatchOutcome()
    # A large body is decoded in a thread, so that the loop gets a turn every 5 ms (Python's switch interval).
    parser = await asyncio.to_thread(BatchParser, bytes(body)) if len(body) > _LARGE_BYTES else BatchParser(bytes(body))
    body.clear()
    turn_ends = time.perf_counter() + _SLICE_SECONDS
    for place in range(len(parser)):
        item = parser.item(place, str(uuid.uuid4()))
        made = item if isinstance(item, AppError) else await _record(request, accounts, item, known, trace, now)
        if isinstance(made, AppError):
            judged.results.append({"index": place, **answer_of(made)})
        else:
            assert isinstance(item, BatchItem)  # noqa: S101  # only these have records
            judged.add(item, made, now)
        if time.perf_counter() > turn_ends:
            await asyncio.sleep(0)
            turn_ends = time.perf_counter() + _SLICE_SECONDS
    return judged


async def _record(
    request: Request[Any, Any, Any],
    accounts: Table[AccountData],
    item: BatchItem,
    known: dict[str, AppError | None],
    trace: Trace,
    now: datetime,
) -> Outgoing | AppError:
    """The record of one message, or why it is refused. `known` caches the check of each chatbot."""
    if item.chatbot_id not in known:
        known[item.chatbot_id] = await _refusal(request, accounts, item.chatbot_id)
    refusal = known[item.chatbot_id]
    if refusal is not None:
        return refusal
    try:
        ensure_unexpired(item.request, now)
        return record_of(item.body, item.chatbot_id, item.message_id, request.headers, trace)
    except AppError as error:
        return error


async def _refusal(request: Request[Any, Any, Any], accounts: Table[AccountData], chatbot_id: str) -> AppError | None:
    try:
        check_chatbot(request, chatbot_id)
        await ensure_sendable(accounts, chatbot_id)
    except Unavailable:
        raise  # not the caller's fault, and the same for all messages
    except AppError as error:
        return error
    return None
