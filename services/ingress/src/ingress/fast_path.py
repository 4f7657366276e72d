"""Answers webhooks without the framework.

Litestar routes and guards each request, which costs as much as half of what ingress does with a webhook
(bench/README.md). So the one path that has all the load is answered before Litestar, and everything else by Litestar.
"""

from collections.abc import Awaitable
from typing import Final

from litestar import Litestar
from litestar.types import Receive, Scope, Send

from ingress.routes import PATH, WebhookRoute

_BARE: Final = frozenset({PATH, PATH + "/"})


class FastPath:
    """An ASGI application: `webhook` at its path, `app` for everything else, the lifespan included."""

    def __init__(self, webhook: WebhookRoute, app: Litestar) -> None:
        self._webhook = webhook
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request, or a lifespan. This is not a coroutine itself, because each coroutine costs time."""
        if "method" in scope and scope["path"] in _BARE:  # a lifespan has neither, a websocket no method
            return self._webhook(scope, receive, send)
        return self.app(scope, receive, send)
