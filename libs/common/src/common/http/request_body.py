"""What a client sent, where a handler reads it by itself: the body, the end of the path, and the correlation id."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

from litestar import Request
from litestar.exceptions import InternalServerException

from common.errors import InvalidInput, TooSlow
from common.kafka.records import CORRELATION_ID, MAX_CORRELATION_ID

BODY_SECONDS: Final = 30.0
"""For a whole body. A client that is slower holds memory that others wait for."""

_AnyRequest = Request[Any, Any, Any]


async def body_in_time(request: _AnyRequest, seconds: float = BODY_SECONDS) -> bytearray:
    """The whole body. Raises `TooSlow`, `InvalidInput` when the client goes away, and litestar's 413 at its limit."""
    body = bytearray()  # joined as it comes: a list of pieces and their sum would be two copies
    try:
        async with asyncio.timeout(seconds):
            async for chunk in stream_of(request):
                body += chunk
    except TimeoutError:
        raise TooSlow(f"the body did not arrive within {seconds:g} s") from None
    return body


async def stream_of(request: _AnyRequest) -> AsyncIterator[bytes]:
    """The body in pieces. A client that goes away is `InvalidInput`: it is not our error (litestar says 500)."""
    try:
        async for chunk in request.stream():
            yield chunk
    except InternalServerException:
        raise InvalidInput("the client went away before the body was complete", code="disconnected") from None


def end_of_path(request: _AnyRequest, skip: int) -> str:
    """What stands in the path behind its first `skip` segments, as the caller meant it: `a%2F%2Fb` is `a//b`.

    The framework decodes a path before it splits it, and joins repeated slashes; ids may have both. So a route takes
    such an id as `{name:path}`, and reads it here.
    """
    raw = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
    segments = raw.partition(b"?")[0].decode("latin-1").split("/")
    while skip and segments:
        skip -= bool(segments.pop(0))
    return unquote("/".join(segments), errors="replace")


def correlation_id_of(headers: Mapping[str, str]) -> str | None:
    """The caller's correlation id, which goes into the headers of every record that follows; None without one.

    Raises `InvalidInput` unless it is at most 256 characters of visible ASCII: the caller could not find another.
    """
    given = headers.get(CORRELATION_ID)
    if not given:
        return None
    if len(given) > MAX_CORRELATION_ID or not (given.isascii() and given.isprintable() and " " not in given):
        raise InvalidInput(
            f"the header {CORRELATION_ID} may have {MAX_CORRELATION_ID} characters of visible ASCII",
            details=[{"field": CORRELATION_ID, "message": "too long, or not visible ASCII"}],
        )
    return given
