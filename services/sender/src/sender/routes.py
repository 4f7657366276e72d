"""`POST /whatsapp-cloud/send`, and how a send stands."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from litestar import Request, Router, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody
from litestar.params import FromPath, QueryParameter
from litestar.types import Guard

from common.contracts import ids, topics
from common.contracts.accounts import AccountData
from common.contracts.sends import SendRequest
from common.errors import Conflict, NotFound, TooLarge, Unavailable
from common.http.auth import check_chatbot
from common.kafka.publisher import Publisher
from common.kafka.records import CORRELATION_ID, TRACEPARENT, TRACESTATE, Outgoing, headers_for, new_trace
from common.kafka.table import Table
from sender.journal import Entry
from sender.requests import MAX_REQUEST_BYTES, parse

_CATCH_UP_SECONDS = 2.0
_BODY_POINTER = "#/paths/~1whatsapp-cloud~1send/post/requestBody/content/application~1json/schema/$defs/{model}"


@dataclass
class _SendOperation(Operation):
    """The handler reads the body itself, to name what is wrong field by field; the documents get its schema here."""

    def __post_init__(self) -> None:
        schema: Any = SendRequest.model_json_schema(ref_template=_BODY_POINTER)
        self.request_body = RequestBody({"application/json": OpenAPIMediaType(schema=schema)}, required=True)


def send_router(
    *,
    publisher: Publisher,
    accounts: Table[AccountData],
    load: Callable[[str], Awaitable[Entry | None]],
    guard: Guard,
) -> Router:
    """The routes; `load` reads a journal entry by its id."""

    @post(
        "/send",
        status_code=200,
        summary="Send a message",
        operation_class=_SendOperation,
        request_max_body_size=MAX_REQUEST_BYTES,
        responses={
            404: ResponseSpec(dict[str, Any], description="no account has this chatbotId"),
            409: ResponseSpec(dict[str, Any], description="the account is deactivated"),
            503: ResponseSpec(dict[str, Any], description="Kafka did not confirm; repeat with the same messageId"),
        },
    )
    async def send(request: Request[Any, Any, Any]) -> dict[str, Any]:
        """Check a send request and put it on `whatsapp-cloud-send`; the answer comes when Kafka has confirmed it.

        What becomes of it is told on `message-status`. Repeating a call with the same `messageId` is safe.
        """
        send_request, body = parse(await request.body())
        check_chatbot(request, send_request.chatbot_id)
        await _sendable(accounts, send_request.chatbot_id)
        message_id = send_request.message_id or str(uuid.uuid4())
        value = msgspec.json.encode({**body, "messageId": message_id})
        if len(value) > MAX_REQUEST_BYTES:
            raise TooLarge(f"a send request has at most {MAX_REQUEST_BYTES} bytes")
        await publisher.publish([_record(request, send_request.chatbot_id, message_id, value)])
        return {
            "success": True,
            "message": "Message enqueued for sending",
            "data": {"messageId": message_id},
        }

    @get("/send/{message_id:str}", summary="How a send stands")
    async def standing(
        request: Request[Any, Any, Any],
        message_id: FromPath[str],
        chatbot: Annotated[str, QueryParameter(name="chatbotId")],
    ) -> dict[str, Any]:
        """The sender's own record of a message: its state, attempts, wamid or error."""
        check_chatbot(request, chatbot)
        entry = await load(ids.journal_id(chatbot, message_id))
        if entry is None:
            raise NotFound("no message of this chatbot with this messageId has been taken up yet")
        return {"success": True, "data": _shown(entry)}

    return Router("/whatsapp-cloud", route_handlers=[send, standing], guards=[guard], tags=["send"])


async def _sendable(accounts: Table[AccountData], chatbot_id: str) -> None:
    """Raises unless the chatbot's account may send now."""
    account = accounts.get(chatbot_id)
    if account is None:
        if not await accounts.catch_up(_CATCH_UP_SECONDS):
            raise Unavailable("the accounts are not known yet; try again", code="accounts_unavailable")
        account = accounts.get(chatbot_id)
    if account is None:
        raise NotFound(f"no account has the chatbotId `{chatbot_id}`; create it first", code="unknown_account")
    if not account.active:
        raise Conflict(f"the account of `{chatbot_id}` is deactivated", code="account_deactivated")


def _record(request: Request[Any, Any, Any], chatbot_id: str, message_id: str, value: bytes) -> Outgoing:
    journal_id = ids.journal_id(chatbot_id, message_id)
    headers = request.headers
    trace = new_trace(headers.get(CORRELATION_ID) or journal_id, headers.get(TRACEPARENT), headers.get(TRACESTATE))
    return Outgoing(
        topics.SEND.name, chatbot_id, value, headers_for(trace, event_id=journal_id, event_type="send.request")
    )


def _shown(entry: Entry) -> dict[str, Any]:
    fields = {
        "messageId": entry.message_id,
        "chatbotId": entry.chatbot_id,
        "state": str(entry.state),
        "attempts": entry.attempt,
        "at": entry.at.isoformat(),
        "createdAt": entry.created_at.isoformat(),
        "due": entry.due.isoformat() if entry.due else None,
        "wamid": entry.wamid,
        "error": msgspec.to_builtins(entry.error),
    }
    return {name: value for name, value in fields.items() if value is not None}
