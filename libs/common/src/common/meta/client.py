"""Calls to the Graph API: every way a call can end is a value.

Meta has no idempotency key, so the one thing that matters about a failed call is whether the request can have left:

* `Answered`: there is an answer, whatever it says;
* `NotSent`: no complete request can have left, so Meta cannot have the message;
* `Unclear`: anything else. The message may be on its way, and only its status can tell.

The second is told from the third by a proof, never by an error's text: the library had not yet taken the request's body
(`transports.letter`). pyreqwest carries the calls because it is the fastest; aiohttp and httpx pass the same tests
(decision 0030).
"""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

from common.meta.call_ends import Answered, CallEnd, NotSent, Unclear
from common.meta.transports.proxies import proxy_from_environment
from common.meta.transports.transport import Limits, Transport
from common.meta.transports.with_pyreqwest import UNUSABLE, PyreqwestTransport

__all__ = ["Answered", "CallEnd", "GraphClient", "GraphSettings", "NotSent", "Unclear"]


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


class GraphClient:
    """A pool of kept-alive HTTP/1.1 connections to Meta. Tokens are arguments, never kept or logged.

    `max_in_flight` bounds the calls at one time; a call above it waits, at most as long as a connection may take,
    and is then `NotSent`. The proxy that the environment names for Meta's address is used.
    """

    def __init__(
        self,
        settings: GraphSettings,
        *,
        max_in_flight: int,
        transport: Callable[[Limits], Transport] = PyreqwestTransport,
    ) -> None:
        self._root = f"{settings.graph_base_url.rstrip('/')}/{settings.graph_version}"
        self._transport = transport(
            Limits(
                settings.graph_connect_seconds,
                settings.graph_total_seconds,
                max_in_flight,
                proxy_from_environment(settings.graph_base_url),
            )
        )

    async def send(self, phone_number_id: str, token: str, payload: bytes, *, edge: str = "messages") -> CallEnd:
        """`POST /<phone number id>/<edge>` with a JSON payload; ends within the total time, and never raises."""
        if not (token.isascii() and token.isprintable()):  # no header can hold it
            return NotSent(UNUSABLE)
        return await self._transport.post(f"{self._root}/{phone_number_id}/{edge}", token, payload)

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()
