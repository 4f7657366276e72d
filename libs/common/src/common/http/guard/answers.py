"""Answers of the guard, written without the application: it has not seen the request, or has to stop it."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec

from common.telemetry.metrics import HTTP_REFUSED


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request or a connection ends, as the client and the metric see it."""

    reason: str
    answer: bytes

    def count(self) -> None:
        """Add one to `whatsapp_http_refused_total`."""
        HTTP_REFUSED.labels(self.reason).inc()


def _refusal(reason: str, status: HTTPStatus, code: str, message: str) -> Refusal:
    body = msgspec.json.encode({"success": False, "error": {"code": code, "message": message}})
    again = "retry-after: 1\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n{again}connection: close\r\n\r\n"
    )
    HTTP_REFUSED.labels(reason)  # so that the first one is an increase to Prometheus
    return Refusal(reason, head.encode() + body)


_BAD: Final = HTTPStatus.BAD_REQUEST
_AWAY: Final = HTTPStatus.SERVICE_UNAVAILABLE
_LATE: Final = HTTPStatus.REQUEST_TIMEOUT

MALFORMED: Final = _refusal("malformed", _BAD, "invalid_http", "the request is not valid HTTP/1.1")
HEADERS: Final = _refusal(
    "headers",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "headers_too_large",
    "the request line and headers are too many bytes, or more than 100 headers; send fewer",
)
FRAMING: Final = _refusal(
    "framing",
    _BAD,
    "invalid_http",
    "chunk extensions or trailers are too long, or chunks too small; send the body in larger chunks",
)
PIPELINED: Final = _refusal(
    "pipelined", _BAD, "too_many_pipelined", "too many requests wait on this connection; read the answers first"
)
HEADERS_LATE: Final = _refusal("headers_late", _LATE, "timeout", "the headers came too slowly; send them again")
BODY_LATE: Final = _refusal("body_late", _LATE, "timeout", "the body came too slowly; send it again")
ANSWER_LATE: Final = _refusal("answer_late", _LATE, "timeout", "the answer was not read in time")
EVICTED: Final = _refusal("evicted", _AWAY, "overloaded", "too many connections are open; try again")
CONNECTIONS: Final = _refusal("connections", _AWAY, "overloaded", "too many requests are being answered; try again")
BODIES: Final = _refusal("bodies", _AWAY, "overloaded", "too many bytes of requests are being held; try again")
DISCARDED: Final = _refusal("discarded", _BAD, "refused", "the request was answered before its body ended")
