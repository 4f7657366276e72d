"""The internal listener of a service: what other services alone may ask, on a port that nothing outside reaches."""

from collections.abc import Sequence

from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler

from common.http.exception_handlers import exception_handlers
from common.http.request_metrics import measured


def internal_app(routes: Router, health: Sequence[HTTPRouteHandler]) -> Litestar:
    """The application beside the public one, which owns the clients of both. It has no documents."""
    return Litestar(
        route_handlers=[routes, *health],
        middleware=[measured],
        exception_handlers=exception_handlers(),
        logging_config=None,
        openapi_config=None,
    )
