"""How long the requests of an API take, by route, method and status (`whatsapp_http_request_seconds`)."""

import time
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from common.telemetry.metrics import HTTP_SECONDS, OTHER

_NOT_MEASURED: Final = ("/health/", "/metrics")


def measured(app: ASGIApp) -> ASGIApp:
    """Litestar middleware. Routes are templates (`/messages/{message_id}`), so that their number is bounded."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["path"].startswith(_NOT_MEASURED):
            await app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, note_status)
        finally:
            route = scope.get("path_template") or OTHER
            HTTP_SECONDS.labels(route, scope["method"], str(status)).observe(time.perf_counter() - began)

    return middleware
