"""The common code of all Graph routes: the caller, Meta's answers and errors, and a ledger line per call."""

import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from graph_emulator.emulator import Emulator
from graph_emulator.graph_errors import GraphError, error_body, unknown_object
from graph_emulator.state.directory import Business

Json = dict[str, Any]

EMULATOR = web.AppKey("emulator", Emulator)


@dataclass(slots=True)
class Call:
    """One call of the Graph API while it is served; `notes` go into the ledger's line."""

    request: web.Request
    emulator: Emulator
    notes: Json = field(default_factory=dict)

    @property
    def token(self) -> str:
        """The access token of the header or the query."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() in {"bearer", "oauth"}:
            return token.strip()
        return str(self.request.query.get("access_token", ""))

    def wabas(self) -> frozenset[str]:
        """The WABAs that the token may act for; GraphError 0 without a token, 190 for an invalid one."""
        token = self.token
        if not token:
            raise GraphError(0, message="Authentication Error: no access token was sent.", type="OAuthException")
        directory = self.emulator.directory
        wabas = directory.tokens.get(token)
        expired = directory.expired_at(token, self.emulator.clock.now_ms() / 1_000)
        if expired is not None:
            raise GraphError(190, message=expiry_message(expired))
        if wabas is None:
            raise GraphError(190, message="Error validating access token: the token is invalid or was revoked.")
        self._check_proof(token)
        return wabas

    def business(self) -> Business:
        """The business number in the path, if the token may act for it."""
        object_id = self.request.match_info["id"]
        wabas = self.wabas()
        business = self.emulator.directory.businesses.get(object_id)
        if business is None or business.waba_id not in wabas:
            raise unknown_object(object_id, self.request.method.lower())
        self.notes["phoneNumberId"] = object_id
        return business

    async def body(self) -> Json:
        """The JSON object of the request; an empty body reads as no parameters."""
        raw = await self.request.read()
        try:
            parsed = json.loads(raw) if raw else {}
        except ValueError:
            raise GraphError(100, "The body is not valid JSON.") from None
        if not isinstance(parsed, dict):
            raise GraphError(100, "The body must be a JSON object.")
        return parsed

    def _check_proof(self, token: str) -> None:
        proof = self.request.query.get("appsecret_proof")
        if proof is None:
            return
        right = hmac.digest(self.emulator.config.app_secret.encode(), token.encode(), hashlib.sha256).hex()
        if not hmac.compare_digest(proof.encode(), right.encode()):
            raise GraphError(100, message="Invalid appsecret_proof provided in the API argument")


def expiry_message(at: int) -> str:
    """Meta's error text for a token that expired at this time (Unix seconds)."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"Error validating access token: Session has expired on {moment:%A, %d-%b-%y %H:%M:%S} UTC."


Endpoint = Callable[[Call], Awaitable[web.StreamResponse]]


def graph(endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A route of `endpoint`: a `GraphError` becomes Meta's answer, and every call becomes a line in the ledger."""

    async def handle(request: web.Request) -> web.StreamResponse:
        emulator = request.app[EMULATOR]
        call = Call(request, emulator)
        began = time.perf_counter()
        answer: web.StreamResponse
        try:
            answer = await endpoint(call)
        except GraphError as error:
            answer = refusal(error, emulator.ids.trace())
            call.notes["code"] = error.code
            emulator.ledger.counters[f"refused_{error.code}"] += 1
        emulator.ledger.add_call(
            {
                "atMs": emulator.clock.now_ms(),
                "method": request.method,
                "path": request.path,
                "status": answer.status,
                "tookMs": round((time.perf_counter() - began) * 1000, 2),
            }
            | call.notes
        )
        return answer

    return handle


def success(body: Json) -> web.Response:
    """A 200 with JSON."""
    return web.Response(body=json.dumps(body, separators=(",", ":")).encode(), content_type="application/json")


def refusal(error: GraphError, trace: str) -> web.Response:
    """Meta's answer to a refused call."""
    body = json.dumps(error_body(error, trace), separators=(",", ":")).encode()
    return web.Response(status=error.http_status, body=body, content_type="application/json")
