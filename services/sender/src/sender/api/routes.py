"""`POST /whatsapp-cloud/send`; `GET` and `DELETE` of one send; `GET` of a number."""

import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final

from litestar import Request, Router, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter
from litestar.types import Guard

from common.contracts.accounts import AccountData
from common.contracts.ids import MAX_MESSAGE_ID, is_message_id, journal_id
from common.contracts.journal import Entry, State
from common.contracts.sends import SendRequest
from common.errors import Conflict, InvalidInput, NotFound
from common.http.auth import check_chatbot
from common.http.openapi import BY_API_KEY
from common.http.openapi_responses import (
    DEACTIVATED,
    KAFKA_AWAY,
    MONGODB_AWAY,
    NO_CHATBOT_ID,
    UNKNOWN_ACCOUNT,
    documented,
)
from common.http.request_body import body_in_time, correlation_id_of, end_of_path
from common.kafka.consume.table import Table
from common.kafka.produce.publisher import Publisher
from sender import telemetry
from sender.api import answers
from sender.api.batch_route import Admission, batch_route
from sender.api.enqueue import check_id, ensure_sendable, ensure_unexpired, entered, known_account, record_of
from sender.api.openapi import body_of
from sender.api.warnings import NO_FINDINGS, WarningFinder, sentence_of
from sender.journal.standing import Standings, shown
from sender.records.parsing import MAX_REQUEST_BYTES, parse

_SEGMENTS: Final = 2  # `/whatsapp-cloud/send/` stands before a message id

Now = Callable[[], datetime]
Cancel = Callable[[str, str], Awaitable[Entry]]
NumberOf = Callable[[str], Awaitable[dict[str, Any] | None]]
ChatbotId = Annotated[str, QueryParameter(name="chatbotId", description="the chatbot that sends it")]


def send_router(
    *,
    publisher: Publisher,
    accounts: Table[AccountData],
    standings: Standings,
    warning_finder: WarningFinder,
    cancel: Cancel,
    number_of: NumberOf,
    media: HTTPRouteHandler,
    batches: Admission,
    guard: Guard,
    now: Now,
) -> Router:
    """The routes. `standings` reads the state of a send, `warning_finder` finds warnings.

    `cancel` takes a chatbot id and a message id, and returns the entry after it; `number_of` returns what Meta reported
    last about a chatbot's number. `batches` limits the batches under way.
    """
    handlers = [
        send_route(publisher, accounts, warning_finder, now),
        batch_route(publisher, accounts, batches, warning_finder, now),
        standing_route(standings, accounts),
        cancel_route(cancel),
        number_route(number_of, accounts),
        media,
    ]
    return Router("/whatsapp-cloud", route_handlers=handlers, guards=[guard], tags=["send"], security=BY_API_KEY)


def send_route(
    publisher: Publisher, accounts: Table[AccountData], warning_finder: WarningFinder, now: Now
) -> HTTPRouteHandler:
    """`POST /send`."""

    @post(
        "/send",
        status_code=200,
        operation_id="sendMessage",
        summary="Send a message",
        operation_class=body_of(SendRequest, answers.SEND_EXAMPLES),
        request_max_body_size=MAX_REQUEST_BYTES,
        responses=documented(
            answers.SendAnswer,
            answers.SENT,
            "send",
            {
                400: answers.NO_RECIPIENT,
                404: UNKNOWN_ACCOUNT,
                409: DEACTIVATED,
                413: answers.REQUEST_TOO_LARGE,
                503: KAFKA_AWAY,
            },
        ),
    )
    async def send(request: Request[Any, Any, Any]) -> dict[str, Any]:
        """Check a send request and put it on `whatsapp-cloud-send`; the answer comes when Kafka has confirmed it.

        Its result is published on `message-status`. Repeating a call with the same `messageId` is safe: `message` then
        says that it was enqueued before. `warnings` name problems that are known already: `window_closed`,
        `number_held`, `send_at_past`; and `cancelled` or `duplicate`, which mean that this message will not be sent.
        An `expiresAt` in the past is an error (400).
        """
        trace, began = entered(request.headers), time.time_ns()
        correlation_id_of(request.headers)  # checked before the body, because a wrong one is wrong for every body
        send_request, body = parse(bytes(await body_in_time(request)))
        check_chatbot(request, send_request.chatbot_id)
        ensure_unexpired(send_request, now())
        account = await ensure_sendable(accounts, send_request.chatbot_id)
        message_id = send_request.message_id or str(uuid.uuid4())
        record = record_of(body, send_request.chatbot_id, message_id, request.headers, trace)
        looking = warning_finder.begin(send_request, account.phone_number_id, body)
        try:
            await publisher.publish([record])
        except BaseException:
            looking.cancel()
            warning_finder.forget([journal_id(send_request.chatbot_id, message_id)])
            raise
        telemetry.note_request(trace, "/whatsapp-cloud/send", began)
        found = await warning_finder.result_of(looking, NO_FINDINGS)
        return {
            "success": True,
            "message": sentence_of(found),
            "data": {"messageId": message_id},
            **({"warnings": found.warnings} if found.warnings else {}),
        }

    return send


def standing_route(standings: Standings, accounts: Table[AccountData]) -> HTTPRouteHandler:
    """`GET /send/{messageId}`."""

    @get(
        "/send/{message_id:path}",
        operation_id="getSend",
        summary="Get the state of a send",
        responses=documented(
            answers.StandingAnswer,
            answers.STANDING,
            "send",
            {400: NO_CHATBOT_ID, 404: (answers.UNKNOWN_SEND, UNKNOWN_ACCOUNT), 503: MONGODB_AWAY},
        ),
    )
    async def standing(
        request: Request[Any, Any, Any],
        message_id: FromPath[str],
        chatbot: ChatbotId,
    ) -> dict[str, Any]:
        """The sender's own record of a message: its state, attempts, wamid or error.

        A message that waits is `queued`, with `due` and a `reason`, from the moment that it was accepted. A message
        that Meta has `accepted` becomes `failed`, with `failedAt`, when Meta reports a failure later. For `delivered`,
        `read` and the history of all statuses ask `GET /whatsapp-cloud/messages/{messageId}`.
        """
        check_id(chatbot)
        check_chatbot(request, chatbot)
        message_id = _message_id(request)
        found = await standings.of(chatbot, message_id)
        if found is None:
            await known_account(accounts, chatbot)
            raise NotFound(f"no message of `{chatbot}` with this messageId was accepted", code="unknown_message")
        return {"success": True, "data": found}

    return standing


def cancel_route(cancel: Cancel) -> HTTPRouteHandler:
    """`DELETE /send/{messageId}`."""

    @delete(
        "/send/{message_id:path}",
        operation_id="cancelSend",
        status_code=200,
        summary="Cancel a message that has not been sent",
        responses=documented(
            answers.StandingAnswer,
            answers.CANCELLED,
            "send",
            {400: NO_CHATBOT_ID, 409: answers.NOT_CANCELLABLE, 503: MONGODB_AWAY},
        ),
    )
    async def cancellation(
        request: Request[Any, Any, Any],
        message_id: FromPath[str],
        chatbot: ChatbotId,
    ) -> dict[str, Any]:
        """Cancel a message that waits, is scheduled, or has not been read by the sender yet.

        It ends as `cancelled` on `message-status`. A message that is being sent at this moment cannot be cancelled.
        Repeating the call is safe; a later request with this `messageId` is not sent either.
        """
        check_id(chatbot)
        check_chatbot(request, chatbot)
        message_id = _message_id(request)
        entry = await cancel(chatbot, message_id)
        if entry.state is not State.CANCELLED:
            raise Conflict(_too_late(entry.state), code="not_cancellable", details=shown(entry))
        return {"success": True, "data": shown(entry)}

    return cancellation


def number_route(number_of: NumberOf, accounts: Table[AccountData]) -> HTTPRouteHandler:
    """`GET /numbers/{chatbotId}`."""

    @get(
        "/numbers/{chatbot_id:str}",
        operation_id="getNumber",
        summary="What Meta allows a chatbot's number",
        responses=documented(
            answers.NumberAnswer,
            answers.NUMBER,
            "send",
            {
                400: answers.NO_SUCH_CHATBOT_ID,
                404: (answers.UNKNOWN_NUMBER, UNKNOWN_ACCOUNT),
                503: MONGODB_AWAY,
            },
        ),
    )
    async def number(request: Request[Any, Any, Any], chatbot_id: FromPath[str]) -> dict[str, Any]:
        """Its messages per second, its quality, and its portfolio's messaging limit, as Meta last reported (`at`)."""
        check_id(chatbot_id)
        check_chatbot(request, chatbot_id)
        found = await number_of(chatbot_id)
        if found is None:
            await known_account(accounts, chatbot_id)
            raise NotFound(
                f"Meta has not been asked about the number of `{chatbot_id}` yet; send a message first",
                code="unknown_number",
            )
        return {"success": True, "data": found}

    return number


def _message_id(request: Request[Any, Any, Any]) -> str:
    """The message id in the path. It may contain slashes, because a caller's id may."""
    message_id = end_of_path(request, _SEGMENTS)
    if not is_message_id(message_id):
        raise InvalidInput(f"a messageId has 1 to {MAX_MESSAGE_ID} characters")
    return message_id


def _too_late(state: State) -> str:
    match state:
        case State.ACCEPTED:
            return "Meta has this message already"
        case State.CLAIMED:
            return "this message is being sent at this moment"
        case State.IN_DOUBT:
            return "Meta may have this message already"
        case _:
            return f"this message has ended as {state}"
