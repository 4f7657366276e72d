"""From a checked request to its record on `whatsapp-cloud-send`: shared by all HTTP routes that send."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from common.contracts import ids, topics
from common.contracts.accounts import AccountData
from common.contracts.ids import is_chatbot_id
from common.contracts.sends import SendRequest
from common.errors import Conflict, InvalidInput, NotFound, TooLarge, Unavailable
from common.http.request_body import correlation_id_of
from common.kafka.consume.table import Table
from common.kafka.records import TRACEPARENT, Outgoing, headers_for, tracestate_of
from common.telemetry import spans
from common.telemetry.trace_context import Trace, enter
from sender.records.parsing import MAX_REQUEST_BYTES

_CATCH_UP_SECONDS: Final = 2.0
_SAVE: Final = "`POST /whatsapp-cloud/account`"


def check_id(chatbot_id: str) -> None:
    """Raises `InvalidInput` for an id that no chatbot can have."""
    if not is_chatbot_id(chatbot_id):
        wrong = {"field": "chatbotId", "message": "letters, digits and . _ : - are allowed", "limit": 128}
        raise InvalidInput("no chatbot can have this chatbotId", details=[wrong])


def ensure_unexpired(request: SendRequest, now: datetime) -> None:
    """Raises `InvalidInput` for a message that has expired already.

    For a record on the topic this is no error, because it may have waited there: its send ends as expired.
    """
    expires_at = request.expires_at
    if expires_at is not None and expires_at <= now:
        wrong = {
            "field": "expiresAt",
            "message": "this time is in the past; give a later one, or leave it out",
            "given": expires_at.isoformat(),
        }
        raise InvalidInput("`expiresAt` is in the past: the message would never be sent", details=[wrong])


async def ensure_sendable(accounts: Table[AccountData], chatbot_id: str) -> AccountData:
    """The chatbot's account. Raises `NotFound`, `Conflict` or `Unavailable` unless it may send now."""
    account = await known_account(accounts, chatbot_id)
    if not account.active:
        raise Conflict(
            f"the account of `{chatbot_id}` is deactivated; {_SAVE} activates it again", code="account_deactivated"
        )
    return account


async def known_account(accounts: Table[AccountData], chatbot_id: str) -> AccountData:
    """The chatbot's account, active or not. Raises `NotFound` or `Unavailable`."""
    account = accounts.get(chatbot_id)
    if account is None:
        if not await accounts.catch_up(_CATCH_UP_SECONDS):
            raise Unavailable("accounts are still loading; try again", code="accounts_unavailable")
        account = accounts.get(chatbot_id)
    if account is None:
        raise unknown_account(chatbot_id)
    return account


def unknown_account(chatbot_id: str) -> NotFound:
    """The error for a chatbot without an account; it says how to create one."""
    return NotFound(f"no account has the chatbotId `{chatbot_id}`; create it with {_SAVE}", code="unknown_account")


def entered(headers: Mapping[str, str]) -> Trace:
    """The span of an HTTP request, a child of the caller's span if there is one. It has no correlation id yet."""
    return enter("", headers.get(TRACEPARENT), tracestate_of(headers), sampled=spans.chosen())


def record_of(
    body: Mapping[str, Any], chatbot_id: str, message_id: str, headers: Mapping[str, str], request: Trace
) -> Outgoing:
    """The record of a request as given (`body`), under its message id and its caller's correlation id.

    `request` is the span of the call over HTTP. Raises `TooLarge`, and `InvalidInput` for the correlation id.
    """
    value = msgspec.json.encode({**body, "messageId": message_id})
    if len(value) > MAX_REQUEST_BYTES:
        raise TooLarge(f"a send request has at most {MAX_REQUEST_BYTES} bytes")
    journal_id = ids.journal_id(chatbot_id, message_id)
    trace = request.child(correlation_id=correlation_id_of(headers) or journal_id)
    told = headers_for(trace, event_id=journal_id, event_type="send.request")
    return Outgoing(topics.SEND.name, chatbot_id, value, told, trace=trace)
