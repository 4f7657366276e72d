"""What the web framework says of a request, as sentences that say what to do. Pure.

The framework's own words are of its types (`int` <= 100), or the name of a status ("Not Found").
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from common.contracts.validation.refusals import Refusal, named, shortened

_SHOWN: Final = 100
_MISSING: Final = re.compile(r"Missing required (\w+) parameter '([^']{1,100})'")
_EXPECTED: Final = re.compile(r"Expected `(\w+)`(?: (?:of length )?(<=|>=) (\d+))?")
_WANTED: Final = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text"}
_BOUNDS: Final = {"<=": "at most", ">=": "at least"}
_BODY: Final = "data"
"""The name of a handler's parameter for the body."""

_Request = Request[Any, Any, Any]


def missing_parameter(request: _Request, detail: str) -> Refusal | None:
    """The field of a parameter that a call needs and does not have; None when `detail` speaks of something else."""
    found = _MISSING.match(detail)
    if found is None:
        return None
    kind, name = found.groups()
    add = f"add `?{name}=…`" if kind == "query" else f"give it as a {kind}"
    about = _description_of(request, name)
    return named(name, f"the {kind} parameter `{name}` is missing; {add}" + (f": {about}" if about else ""))


def _description_of(request: _Request, parameter: str) -> str | None:
    """What the documents say of a parameter."""
    handler = request.scope.get("route_handler")
    fields = handler.parsed_fn_signature.parameters if isinstance(handler, HTTPRouteHandler) else {}
    for name, field in fields.items():
        declared = field.kwarg_definition
        if isinstance(declared, QueryParameter) and (declared.name or name) == parameter:
            return declared.description
    return None


def field_of(item: Mapping[str, Any]) -> Refusal:
    """A wrong parameter, in the framework's list of them."""
    key, said = item.get("key", ""), str(item.get("message", ""))
    if key == _BODY and said == f"'{_BODY}'":
        return named("", "the body is empty; send a JSON object")
    found = _EXPECTED.match(said)
    if found is None or found[1] not in _WANTED:
        return named(key, said)
    unit = " characters" if found[1] == "str" else ""
    bound = f" of {_BOUNDS[found[2]]} {found[3]}{unit}" if found[2] else ""
    return named(key, f"give {_WANTED[found[1]]}{bound}")


def no_such_path(request: _Request) -> str:
    """404: no call has this path."""
    config = request.app.openapi_config
    where = f"; {config.path} lists the calls" if config is not None and config.path else ""
    return f"there is nothing at `{shortened(request.url.path, _SHOWN)}`" + where


def not_allowed(method: str, headers: Mapping[str, str]) -> str:
    """405: what is allowed instead."""
    allowed = next((value for name, value in headers.items() if name.lower() == "allow"), "")
    names = sorted({name.strip() for name in allowed.split(",")} - {"", "OPTIONS"})
    return f"{method} is not allowed here" + (f"; use {' or '.join(names)}" if names else "")


def too_large(request: _Request) -> str:
    """413: how much the call takes."""
    handler = request.scope.get("route_handler")
    most = handler.resolve_request_max_body_size() if isinstance(handler, HTTPRouteHandler) else None
    return "the body is too large" + (f"; at most {most} bytes are allowed" if most else "")


def not_json(detail: str) -> str:
    """400: a body that cannot be decoded."""
    return f"the body is not JSON: {shortened(detail)}; send a JSON object"
