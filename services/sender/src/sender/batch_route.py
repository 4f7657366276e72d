"""`POST /whatsapp-cloud/send/batch`: many messages in one call, each with its own result."""

import time
import uuid
from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec

from common.contracts.accounts import AccountData
from common.errors import AppError, Unavailable
from common.http.auth import check_chatbot
from common.kafka.publisher import Publisher
from common.kafka.records import Outgoing
from common.kafka.table import Table
from common.telemetry.trace import Trace
from sender import telemetry
from sender.batch import MAX_BYTES, Batch, Wanted, answer_of, items_of, parse_batch
from sender.enqueue import ensure_sendable, entered, record_of
from sender.operations import body_of


def batch_route(publisher: Publisher, accounts: Table[AccountData]) -> HTTPRouteHandler:
    """The route."""

    @post(
        "/send/batch",
        status_code=200,
        summary="Send many messages",
        operation_class=body_of(Batch, "/whatsapp-cloud/send/batch"),
        request_max_body_size=MAX_BYTES,
        responses={503: ResponseSpec(dict[str, Any], description="Kafka did not confirm; repeat with the same ids")},
    )
    async def batch(request: Request[Any, Any, Any]) -> dict[str, Any]:
        """Check up to 1,000 messages and put the good ones on `whatsapp-cloud-send`, in their order.

        The answer has one result per message, in order: a `messageId`, or the error of `POST /send`. They are campaign
        messages unless they say otherwise. With a `batchId`, or a `messageId` each, repeating the call is safe.
        """
        trace, began = entered(request.headers), time.time_ns()
        given = parse_batch(await request.body())
        items = items_of(given, [str(uuid.uuid4()) for _ in given.messages])
        known: dict[str, AppError | None] = {}
        results, records = [], []
        for place, item in enumerate(items):
            made = item if isinstance(item, AppError) else await _record(request, accounts, item, known, trace)
            if isinstance(made, AppError):
                results.append({"index": place, **answer_of(made)})
            else:
                assert isinstance(item, Wanted)  # noqa: S101  # only these have records
                results.append({"index": place, "success": True, "messageId": item.message_id})
                records.append(made)
        if records:
            await publisher.publish(records)
            telemetry.note_request(trace, "/whatsapp-cloud/send/batch", began)
        data = {"enqueued": len(records), "refused": len(items) - len(records), "results": results}
        return {"success": True, "message": f"{len(records)} messages enqueued for sending", "data": data}

    return batch


async def _record(
    request: Request[Any, Any, Any],
    accounts: Table[AccountData],
    item: Wanted,
    known: dict[str, AppError | None],
    trace: Trace,
) -> Outgoing | AppError:
    """The record of one message, or why it is refused; `known` remembers what was found about its chatbot."""
    if item.chatbot_id not in known:
        known[item.chatbot_id] = await _refusal(request, accounts, item.chatbot_id)
    refusal = known[item.chatbot_id]
    if refusal is not None:
        return refusal
    try:
        return record_of(item.body, item.chatbot_id, item.message_id, request.headers, trace)
    except AppError as error:
        return error


async def _refusal(request: Request[Any, Any, Any], accounts: Table[AccountData], chatbot_id: str) -> AppError | None:
    try:
        check_chatbot(request, chatbot_id)
        await ensure_sendable(accounts, chatbot_id)
    except Unavailable:
        raise  # that is nobody's fault, and the same for all
    except AppError as error:
        return error
    return None
