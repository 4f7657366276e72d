"""Calls to the Graph API: every way a call can end is a value.

Meta has no idempotency key, so the one thing that matters about a failed call is whether the request can have left:

* `Answered`: there is an answer, whatever it says;
* `NotSent`: the connection was never made, so Meta cannot have the message;
* `Unclear`: anything else. The message may be on its way, and only its status can tell.

pyreqwest is used for its speed with hundreds of calls in flight. Its exception classes do not tell the second from the
third (a reset after the request is a `ConnectError` too); the chain of causes does: hyper names the connector's
failures `client error (Connect)`. What is not named so counts as `Unclear`.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field
from pydantic_settings import BaseSettings
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import ClientClosedError, DetailedPyreqwestError, PoolTimeoutError, PyreqwestError

_CONNECT_FAILED: Final = "client error (Connect)"


class GraphSettings(BaseSettings):
    """Where Meta is, and how long it may take."""

    graph_base_url: Annotated[str, Field(pattern=r"^https?://", description="the Graph API, or its emulator")] = (
        "https://graph.facebook.com"
    )
    graph_version: Annotated[
        str, Field(pattern=r"^v\d+\.\d+$", description="version of the Graph API; Meta ends each after two years")
    ] = "v25.0"
    graph_connect_seconds: Annotated[float, Field(gt=0, description="for a connection to be made")] = 3.0
    graph_total_seconds: Annotated[float, Field(gt=0, description="for a whole call, the connection included")] = 10.0


@dataclass(frozen=True, slots=True)
class Answered:
    """An HTTP answer, complete."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request provably never left; `reason` is a short name."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """The request may have been taken; `reason` is a short name."""

    reason: str


CallEnd = Answered | NotSent | Unclear


class GraphClient:
    """A pool of kept-alive HTTP/1.1 connections to Meta. Tokens are arguments, never kept or logged.

    `max_in_flight` bounds the calls at one time; a call above it waits, at most as long as a connection may take,
    and is then `NotSent`.
    """

    def __init__(self, settings: GraphSettings, *, max_in_flight: int) -> None:
        self._root = f"{settings.graph_base_url.rstrip('/')}/{settings.graph_version}"
        self._client: Client = (
            ClientBuilder()
            .connect_timeout(timedelta(seconds=settings.graph_connect_seconds))
            .timeout(timedelta(seconds=settings.graph_total_seconds))
            .max_connections(max_in_flight)
            .pool_timeout(timedelta(seconds=settings.graph_connect_seconds))
            .pool_max_idle_per_host(max_in_flight)
            # An idle connection that the other side closes just as we write is an unclear call: let go of it first.
            .pool_idle_timeout(timedelta(seconds=15))
            .follow_redirects(enable=False)
            .user_agent("whatsapp-cloud-sender")
            .build()
        )

    async def send(self, phone_number_id: str, token: str, payload: bytes, *, edge: str = "messages") -> CallEnd:
        """`POST /<phone number id>/<edge>` with a JSON payload; ends within the total time, and never raises."""
        try:
            request = (
                self._client.post(f"{self._root}/{phone_number_id}/{edge}")
                .bearer_auth(token)
                .header("content-type", "application/json")
                .body_bytes(payload)
                .build()
            )
        except ValueError:  # its text would show the token
            return NotSent("unusable_token_or_number")
        try:
            response = await request.send()
            return Answered(response.status, bytes(await response.bytes()))
        except PyreqwestError as error:
            return _ended(error)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()


def _ended(error: PyreqwestError) -> NotSent | Unclear:
    reason = type(error).__name__
    if isinstance(error, PoolTimeoutError):
        return NotSent(reason)
    causes = (error.details["causes"] or []) if isinstance(error, DetailedPyreqwestError) else []
    messages = [cause["message"] for cause in causes]
    if _CONNECT_FAILED in messages:
        return NotSent(messages[-1])
    if isinstance(error, ClientClosedError):
        return Unclear("client_closed")
    # The first cause repeats the address; the last is what happened.
    return Unclear(messages[-1] if len(messages) > 1 else reason)
