"""Query parameters that a route does not have: a caller who misspells a filter must not get an unfiltered answer."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from common.contracts.validation.known_fields import nearest
from common.errors import InvalidInput

_SHOWN = 64
"""Characters of a name that an answer repeats."""


def refuse_unknown(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Raises `InvalidInput`, with the first parameter that the route does not have and those that it has."""
    if not connection.scope["query_string"]:
        return
    known = known_to(handler)
    for name in connection.query_params:
        if name not in known:
            raise InvalidInput(
                f"there is no query parameter `{name[:_SHOWN]}` here; {_meant(name, sorted(known))}",
                code="unknown_parameter",
                details=[{"field": name[:_SHOWN], "message": "unknown"}],
            )


def _meant(name: str, known: Sequence[str]) -> str:
    if not known:
        return "this call has none"
    near = nearest(name, known)
    return (f"did you mean `{near}`? " if near else "") + "there is: " + ", ".join(f"`{one}`" for one in known)


@cache
def known_to(handler: BaseRouteHandler) -> frozenset[str]:
    """The names of the query parameters that a route has. Every one is declared as a `QueryParameter`."""
    parameters = handler.parsed_fn_signature.parameters.items()
    declared = ((name, field.kwarg_definition) for name, field in parameters)
    return frozenset(one.name or name for name, one in declared if isinstance(one, QueryParameter))
