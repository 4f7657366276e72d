"""The read API: inboxes, threads, one message with its history, the logs, usage; and the internal one for windows."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final

from litestar import Request, Response, Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.types import Guard
from pydantic import BaseModel, Field

from common.errors import Forbidden
from common.http.auth import EVERY_CHATBOT, ApiKey
from common.http.clients.conversation import MAX_PAIRS
from common.http.openapi import BY_API_KEY
from common.http.openapi_responses import MONGODB_AWAY, UNKNOWN_PARAMETER, WRONG_LIMIT, documented
from common.http.request_body import end_of_path
from conversation.batch.service_window import answer_of
from conversation.read_api import answers, examples
from conversation.read_api.listing import Page
from conversation.read_api.message_filter import STATUSES, parse_filter
from conversation.read_api.queries import Reach
from conversation.read_api.queued import FindUnfinished, MessageLookup
from conversation.read_api.reads import Reads
from conversation.read_api.staleness import MayBeBehind, told_as_of
from conversation.read_api.usage import days_of, rows_of
from conversation.read_api.views import conversation_view, decode_cursor, encode_cursor, log_view, message_view

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="items on a page")]
Cursor = Annotated[str | None, QueryParameter(description="`cursor` of the previous page")]
ChatbotId = Annotated[str | None, QueryParameter(name="chatbotId", description="only this chatbot's")]
FirstDay = Annotated[str | None, QueryParameter(name="from", description="first day in UTC, YYYY-MM-DD")]
LastDay = Annotated[str | None, QueryParameter(name="to", description="last day in UTC, YYYY-MM-DD; default: today")]
Status = Annotated[str, QueryParameter(description=f"one of {', '.join(STATUSES)}")]
Since = Annotated[str | None, QueryParameter(description="RFC 3339: entered the status at this time or later")]
Until = Annotated[str | None, QueryParameter(description="RFC 3339: entered the status before this time")]

Answer = dict[str, Any]


_LISTED: Final = {400: WRONG_LIMIT, 503: MONGODB_AWAY}
_ONE_CONVERSATION: Final = {400: UNKNOWN_PARAMETER, 404: examples.UNKNOWN_CONVERSATION, 503: MONGODB_AWAY}
_ONE_MESSAGE: Final = {400: examples.UNKNOWN_PARAMETER, 404: examples.UNKNOWN_MESSAGE, 503: MONGODB_AWAY}


class Pair(BaseModel):
    """A business number and a recipient: `to` as in a send request."""

    phone_number_id: Annotated[str, Field(alias="phoneNumberId", min_length=1, max_length=64)]
    to: Annotated[str, Field(min_length=1, max_length=150)]


class Pairs(BaseModel):
    """The pairs whose service windows are asked for."""

    pairs: Annotated[list[Pair], Field(max_length=MAX_PAIRS)]


def read_routes(reads: Reads, guard: Guard, find: FindUnfinished) -> Router:
    """The public read API under `/whatsapp-cloud`: scope `read`.

    `find` looks on Kafka for a send that is in no store yet.
    """
    return Router(
        "/whatsapp-cloud",
        route_handlers=[
            *_conversation_routes(reads),
            *_message_routes(reads, MessageLookup(reads, find)),
            _webhook_log_route(reads),
            *_usage_routes(reads),
        ],
        guards=[guard],
        tags=["read"],
        security=BY_API_KEY,
    )


def _conversation_routes(reads: Reads) -> list[HTTPRouteHandler]:
    @get(
        "/conversations",
        summary="Conversations, latest activity first",
        operation_id="listConversations",
        operation_class=MayBeBehind,
        responses=documented(answers.ConversationPage, examples.CONVERSATIONS, "read", _LISTED),
    )
    async def conversations(
        request: Request[Any, Any, Any], chatbot_id: ChatbotId = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Response[Answer]:
        reach, after = _reach(request), decode_cursor(cursor)
        found = await reads.listed(lambda queries: queries.conversations(reach, chatbot_id, after, limit))
        return _listed(found, partial(conversation_view, now=datetime.now(UTC)))

    @get(
        "/conversations/{conversation_id:str}",
        summary="One conversation",
        operation_id="getConversation",
        responses=documented(answers.ConversationAnswer, examples.CONVERSATION, "read", _ONE_CONVERSATION),
    )
    async def conversation(request: Request[Any, Any, Any], conversation_id: FromPath[str]) -> Answer:
        reach = _reach(request)
        document = await reads.exact(lambda queries: queries.conversation(reach, conversation_id))
        return _answer(conversation_view(document, datetime.now(UTC)))

    @get(
        "/conversations/{conversation_id:str}/messages",
        summary="The messages of a conversation, newest first",
        operation_id="listMessages",
        operation_class=MayBeBehind,
        responses=documented(answers.MessagePage, examples.MESSAGES, "read", {**_ONE_CONVERSATION, 400: WRONG_LIMIT}),
    )
    async def thread(
        request: Request[Any, Any, Any], conversation_id: FromPath[str], cursor: Cursor = None, limit: Limit = 50
    ) -> Response[Answer]:
        reach, after = _reach(request), decode_cursor(cursor, placed=True)
        found = await reads.listed(lambda queries: queries.thread(reach, conversation_id, after, limit))
        return _listed(found, message_view)

    return [conversations, conversation, thread]


def _message_routes(reads: Reads, messages: MessageLookup) -> list[HTTPRouteHandler]:
    @get(
        "/messages/{message_id:path}",
        summary="One message with its status history",
        operation_id="getMessage",
        responses=documented(answers.MessageAnswer, examples.MESSAGE, "read", _ONE_MESSAGE),
    )
    async def message(
        request: Request[Any, Any, Any], message_id: FromPath[str], chatbot_id: ChatbotId = None
    ) -> Answer:
        """Finds a message by our id or its wamid; with `chatbotId` also by the `messageId` of its send request.

        With `chatbotId` a message is found as soon as its send is accepted; while it waits it is `queued`.
        """
        message_id = end_of_path(request, skip=2)  # a wamid may have `/` and `//`
        return _answer(await messages.one(_reach(request), message_id, chatbot_id))

    @get(
        "/messages",
        summary="Messages in a delivery status, newest first",
        operation_id="findMessages",
        responses=documented(answers.MessagePage, examples.FOUND, "read", {**_LISTED, 400: examples.NO_STATUS}),
    )
    async def found(
        request: Request[Any, Any, Any],
        status: Status,
        since: Since = None,
        until: Until = None,
        chatbot_id: ChatbotId = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Answer:
        """For example the messages that have failed since a time: `status=failed&since=2026-11-01T09:30:00Z`.

        `since` and `until` mean the time at which a message entered its status (`statusAt`). A caller who asks again
        with the time of the previous request misses nothing.
        """
        wanted = parse_filter(status, since, until)
        reach, after = _reach(request), decode_cursor(cursor)
        page = await reads.exact(lambda queries: queries.found(reach, chatbot_id, wanted, after, limit))
        return _page(page, message_view)

    return [found, message]


def _webhook_log_route(reads: Reads) -> HTTPRouteHandler:
    @get(
        "/webhook-events",
        summary="The webhook log, newest first",
        operation_id="listWebhookEvents",
        operation_class=MayBeBehind,
        responses=documented(answers.WebhookPage, examples.WEBHOOKS, "read", _LISTED),
    )
    async def webhook_events(
        request: Request[Any, Any, Any], cursor: Cursor = None, limit: Limit = 50
    ) -> Response[Answer]:
        if _reach(request).chatbots is not None:
            raise Forbidden("the webhook log is for API keys that reach every chatbot")
        after = decode_cursor(cursor)
        return _listed(await reads.listed(lambda queries: queries.webhook_events(limit, after)), log_view)

    return webhook_events


def _usage_routes(reads: Reads) -> list[HTTPRouteHandler]:
    @get(
        "/usage",
        summary="The usage log, newest first",
        operation_id="listUsage",
        operation_class=MayBeBehind,
        responses=documented(answers.UsagePage, examples.USAGE, "read", _LISTED),
    )
    async def usage(
        request: Request[Any, Any, Any], chatbot_id: ChatbotId = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Response[Answer]:
        reach, after = _reach(request), decode_cursor(cursor)
        found = await reads.listed(lambda queries: queries.usage(reach, chatbot_id, after, limit))
        return _listed(found, log_view)

    @get(
        "/usage/summary",
        summary="Usage by chatbot, day and category, newest day first",
        operation_id="getUsageSummary",
        operation_class=MayBeBehind,
        responses=documented(answers.UsageSummary, examples.SUMMARY, "read", {**_LISTED, 400: examples.NO_DATE}),
    )
    async def usage_summary(
        request: Request[Any, Any, Any], chatbot_id: ChatbotId = None, first: FirstDay = None, last: LastDay = None
    ) -> Response[Answer]:
        """Without `from`, thirty days. `kind` is `send` (messages Meta accepted) or `pricing` (messages it priced)."""
        days = days_of(first, last, datetime.now(UTC).date())
        reach = _reach(request)
        groups, as_of = await reads.listed(lambda queries: queries.usage_groups(reach, chatbot_id, days))
        return told_as_of(_answer({"from": days.first, "to": days.last, "rows": rows_of(groups)}), as_of)

    return [usage, usage_summary]


def internal_routes(reads: Reads, guard: Guard) -> Router:
    """The internal API, for the sender only: scope `windows`."""

    @post("/windows", status_code=200)
    async def windows(data: JSONBody[Pairs]) -> Answer:
        pairs = [(pair.phone_number_id, pair.to) for pair in data.pairs]
        found = await reads.exact(lambda queries: queries.windows(pairs))
        return _answer([answer_of(document) for document in found])

    return Router("/internal", route_handlers=[windows], guards=[guard])


def _reach(request: Request[Any, Any, Any]) -> Reach:
    key: ApiKey = request.state.api_key
    return Reach(None if EVERY_CHATBOT in key.chatbots else key.chatbots)


def _answer(data: Any) -> Answer:
    return {"success": True, "data": data}


def _page(page: Page, view: Any) -> Answer:
    return {
        "success": True,
        "data": [view(item) for item in page.items],
        "cursor": page.end and encode_cursor(page.end),
    }


def _listed(found: tuple[Page, datetime | None], view: Any) -> Response[Answer]:
    page, as_of = found
    return told_as_of(_page(page, view), as_of)
