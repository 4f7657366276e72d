"""The webhook endpoint: verification by GET, updates by POST.

This is a raw ASGI route, because Litestar's request handling would cost more than everything else that happens here,
and the signature needs the untouched bytes anyway.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Scope, Send

from common.contracts.ids import random_id
from common.errors import Unavailable
from common.kafka.records import Outgoing
from common.security.signature import is_signed, looks_signed
from ingress import limited_log, telemetry
from ingress.in_flight import InFlight
from ingress.parsing.core import LARGE_BODY_BYTES
from ingress.records import records, records_in_slices
from ingress.reports.refusals import RefusedWebhooks
from ingress.telemetry import WebhookRequest
from ingress.verify.requests import Verification

log = logging.getLogger(__name__)

PATH: Final = "/whatsapp-cloud/webhook"
MAX_BODY_BYTES: Final = 3 * 1024 * 1024  # Meta sends up to 3 MB ("Webhooks overview")

_OK: Final = b'{"success":true}'
_JSON: Final = b"application/json"
# Nearly all answers are this one, so it is made once.
_TAKEN: Final[HTTPResponseStartEvent] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", _JSON), (b"content-length", str(len(_OK)).encode())],
}
_TAKEN_BODY: Final[HTTPResponseBodyEvent] = {"type": "http.response.body", "body": _OK, "more_body": False}
_ALLOW: Final = (b"allow", b"GET, POST")  # a 405 has to name them (RFC 9110 §15.5.6)


class WebhookRoute:
    """The webhook endpoint as an ASGI application.

    POST: 200 only after every fact of the body is on all in-sync replicas; 503 when Kafka does not confirm that in
    time, so that Meta delivers again. A signed body is never refused for its content.
    Large bodies have a producer of their own, because a small one would wait behind megabytes on the connection too.
    GET: the challenge, when the verify token is known (Meta, "Create a webhook endpoint").
    """

    def __init__(
        self,
        secrets: Sequence[str],
        publish: Callable[[Sequence[Outgoing]], Awaitable[None]],
        verification: Verification,
        publish_large: Callable[[Sequence[Outgoing]], Awaitable[None]] | None = None,
        refused: RefusedWebhooks | None = None,
    ) -> None:
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._publish = publish
        self._verification = verification
        self._publish_large = publish_large or publish
        self._small, self._large = InFlight(), InFlight()
        self._refused = refused or RefusedWebhooks()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        method = scope.get("method")  # absent for a websocket, which is refused as any other method
        if method == "POST":
            await self._deliver(scope, receive, send)
        elif method == "GET":
            await self._verify(scope["query_string"], send)
        else:
            await _answer(send, 405, "method_not_allowed", "use GET to verify and POST to deliver", _ALLOW)

    async def _verify(self, query: bytes, send: Send) -> None:
        given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
        token = given.get("hub.verify_token", "")
        if given.get("hub.mode") == "subscribe" and token and await self._verification.knows(token):
            # The challenge is opaque: it is returned as it came, and never as HTML.
            await _send(send, 200, given.get("hub.challenge", "").encode(), content_type=b"text/plain; charset=utf-8")
        else:
            await _answer(send, 403, "forbidden", "hub.mode must be `subscribe` and hub.verify_token a known one")

    async def _deliver(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        signature = headers.get(b"x-hub-signature-256")
        body: bytes | None = None
        try:
            if not _announces_too_much(headers):
                # Without a signature the body is not read: it would only fill memory. The listener discards it.
                body = await _read(receive) if looks_signed(signature) else b""
        except _ClientGoneError:
            await _answer(send, 400, "incomplete_body", "the connection ended before the body")
            return
        if body is None:
            telemetry.TOO_LARGE.inc()
            limited_log.refused.note(limited_log.TOO_LARGE)
            await _answer(send, 413, "too_large", f"a webhook body has at most {MAX_BODY_BYTES} bytes")
        elif not is_signed(body, signature, self._secrets):
            telemetry.REFUSED.inc()
            limited_log.refused.note(limited_log.why_refused(signature, self._secrets))
            self._refused.note_unsigned(body, datetime.now(UTC))
            await _answer(send, 400, "invalid_signature", "x-hub-signature-256 is missing or does not sign this body")
        else:
            await self._take(telemetry.begin(random_id(), headers.get(b"traceparent")), body, send)

    async def _take(self, request: WebhookRequest, body: bytes, send: Send) -> None:
        """Write the facts of a signed body to Kafka. On every error Meta is told to deliver again."""
        held, is_large = 0, len(body) > LARGE_BODY_BYTES
        flight, publish = (self._large, self._publish_large) if is_large else (self._small, self._publish)
        try:
            if is_large:
                batch = await self._records_of_large(body, request)
            else:
                batch = records(body, request, now=datetime.now(UTC))
            held = flight.add(batch)
            await publish(batch)
        except Unavailable as error:
            request.ended(telemetry.UNAVAILABLE)
            self._refused.note_signed(datetime.now(UTC))
            await _answer(send, 503, error.error_code, error.message)
        except Exception:
            log.exception("a webhook could not be stored")
            request.ended(telemetry.FAILED)
            self._refused.note_signed(datetime.now(UTC))
            await _answer(send, 500, "internal_error", "something went wrong; deliver again")
        else:
            request.ended(telemetry.TAKEN)
            if self._refused.doubted:
                self._refused.note_taken([record.key for record in batch], datetime.now(UTC))
            await send(_TAKEN)
            await send(_TAKEN_BODY)
        finally:
            flight.bytes -= held

    async def _records_of_large(self, body: bytes, request: WebhookRequest) -> list[Outgoing]:
        async with self._large.turn():
            return await records_in_slices(body, request, now=datetime.now(UTC))


class _ClientGoneError(Exception):
    """The connection ended before the body: the client has gone, or the listener has ended it."""


def _announces_too_much(headers: dict[bytes, bytes]) -> bool:
    announced = headers.get(b"content-length", b"")
    return announced.isdigit() and int(announced) > MAX_BODY_BYTES


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when it is too large.

    Its bytes count in the listener's memory budget from their arrival to the answer (`common.http.guard`). Raises
    `_ClientGoneError`.
    """
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise _ClientGoneError
        part, more = message["body"], message["more_body"]
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _answer(send: Send, status: int, code: str, message: str, *more: tuple[bytes, bytes]) -> None:
    body = msgspec.json.encode({"success": False, "error": {"code": code, "message": message}})
    await _send(send, status, body, *(((b"retry-after", b"1"),) if status == 503 else ()), *more)


async def _send(send: Send, status: int, body: bytes, *more: tuple[bytes, bytes], content_type: bytes = _JSON) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
