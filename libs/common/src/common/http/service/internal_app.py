"""The internal listener of a service: for other services alone, on a port that nothing outside reaches."""

from collections.abc import Sequence

from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler

from common.http.exception_handlers import exception_handlers
from common.http.request_metrics import measured


def internal_app(routes: Router, health: Sequence[HTTPRouteHandler]) -> Litestar:
    """The application beside the public one, which owns the clients of both. It has no OpenAPI."""
    return Litestar(
        route_handlers=[routes, *health],
        middleware=[measured],
        exception_handlers=exception_handlers(),
        logging_config=None,
        openapi_config=None,
    )
