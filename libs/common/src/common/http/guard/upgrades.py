"""Requests that offer another protocol (`Upgrade`), which we ignore: a server may (RFC 9110, 7.8).

httptools takes such a request for complete, without its body. Java's HTTP client offers HTTP/2 with each plain request,
so another parser reads the body, by the framing that the head gave.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import httptools

_FRAMING: Final = (b"content-length", b"transfer-encoding")
Headers = Iterable[tuple[bytes, bytes]]


class BodyAlone:
    """The callbacks of a parser for a body alone, when another one has read the head. Trailers are dropped."""

    def __init__(
        self, on_chunk_header: Callable[[], None], on_body: Callable[[bytes], None], on_complete: Callable[[], None]
    ) -> None:
        self.on_chunk_header = on_chunk_header
        self.on_body = on_body
        self.on_message_complete = on_complete


def framing_of(method: str, headers: Headers) -> list[tuple[bytes, bytes]]:
    """The headers that say how long the body is; empty without a body. After a CONNECT there is none."""
    return [] if method == "CONNECT" else [header for header in headers if header[0] in _FRAMING]


def body_parser(callbacks: BodyAlone, framing: Headers) -> Any:
    """A parser that stands at the beginning of a body. Raises `HttpParserError` when its framing is not allowed.

    It calls `on_complete` at once for a body without bytes; what that raises is the cause of an `HttpParserError`.
    """
    parser = httptools.HttpRequestParser(callbacks)
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in framing)
    parser.feed_data(b"POST / HTTP/1.1\r\n" + lines + b"\r\n")
    return parser
