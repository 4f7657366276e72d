"""The read API: inboxes, threads, one message with its history, the logs. Scope `read`."""

from typing import Annotated, Any

from litestar import Request, Router, get
from litestar.params import FromPath, QueryParameter
from litestar.types import Guard

from common.errors import Forbidden
from common.http.auth import EVERY_CHATBOT, ApiKey
from conversation.reads import Page, Reach, Reads
from conversation.views import conversation_view, log_view, message_view

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="items on a page")]
Cursor = Annotated[str | None, QueryParameter(description="`cursor` of the page before")]
ChatbotId = Annotated[str | None, QueryParameter(name="chatbotId", description="only this chatbot's")]

Answer = dict[str, Any]


def read_routes(reads: Reads, guard: Guard) -> Router:
    """All of it, under `/whatsapp-cloud`."""

    @get("/conversations", summary="Conversations, latest activity first")
    async def conversations(
        request: Request[Any, Any, Any], chatbot_id: ChatbotId = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Answer:
        return _page(await reads.conversations(_reach(request), chatbot_id, cursor, limit), conversation_view)

    @get("/conversations/{conversation_id:str}", summary="One conversation")
    async def conversation(request: Request[Any, Any, Any], conversation_id: FromPath[str]) -> Answer:
        return _answer(conversation_view(await reads.conversation(_reach(request), conversation_id)))

    @get("/conversations/{conversation_id:str}/messages", summary="The messages of a conversation, newest first")
    async def thread(
        request: Request[Any, Any, Any], conversation_id: FromPath[str], cursor: Cursor = None, limit: Limit = 50
    ) -> Answer:
        return _page(await reads.thread(_reach(request), conversation_id, cursor, limit), message_view)

    @get("/messages/{message_id:str}", summary="One message with its status history")
    async def message(
        request: Request[Any, Any, Any], message_id: FromPath[str], chatbot_id: ChatbotId = None
    ) -> Answer:
        """By our id, by its wamid, or, with `chatbotId`, by the `messageId` of the send request."""
        return _answer(message_view(await reads.message(_reach(request), message_id, chatbot_id)))

    @get("/webhook-events", summary="The webhook log, newest first")
    async def webhook_events(request: Request[Any, Any, Any], cursor: Cursor = None, limit: Limit = 50) -> Answer:
        if _reach(request).chatbots is not None:
            raise Forbidden("the webhook log is for API keys that reach every chatbot")
        return _page(await reads.webhook_events(limit, cursor), log_view)

    @get("/usage", summary="The usage log, newest first")
    async def usage(
        request: Request[Any, Any, Any], chatbot_id: ChatbotId = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Answer:
        return _page(await reads.usage(_reach(request), chatbot_id, cursor, limit), log_view)

    return Router(
        "/whatsapp-cloud",
        route_handlers=[conversations, conversation, thread, message, webhook_events, usage],
        guards=[guard],
        tags=["read"],
        security=[{"apiKey": []}],
    )


def _reach(request: Request[Any, Any, Any]) -> Reach:
    key: ApiKey = request.state.api_key
    return Reach(None if EVERY_CHATBOT in key.chatbots else key.chatbots)


def _answer(data: Any) -> Answer:
    return {"success": True, "data": data}


def _page(page: Page, view: Any) -> Answer:
    return {"success": True, "data": [view(item) for item in page.items], "cursor": page.cursor}
