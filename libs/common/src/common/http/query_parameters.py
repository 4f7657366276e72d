"""Query parameters that a route does not have, or that stand twice.

A caller who misspells a filter must not get an unfiltered answer, nor one of which a part of the filter was left out.
"""

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
    """Raises `InvalidInput`, with the first parameter that stands twice or that the route does not have."""
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
        if len(connection.query_params.getall(name)) > 1:
            raise InvalidInput(
                f"the query parameter `{name}` is given more than once; give it once",
                code="repeated_parameter",
                details=[{"field": name, "message": "given more than once"}],
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
