"""pyreqwest: the fastest. Its exception classes do not tell what was sent, so the body does (`letter`)."""

from asyncio import CancelledError
from datetime import timedelta
from typing import Final

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError
from pyreqwest.proxy import ProxyBuilder

from common.meta.call_ends import Answered, CallEnd, NotSent
from common.meta.transports.letter import Letter
from common.meta.transports.transport import AGENT, IDLE_SECONDS, Limits

UNUSABLE: Final = "unusable_token_or_number"


class PyreqwestTransport:
    """A pool of HTTP/1.1 connections in a thread of the library."""

    def __init__(self, limits: Limits) -> None:
        self._client = _client(limits)

    async def post(self, url: str, token: str, payload: bytes) -> CallEnd:
        """See `Transport`."""
        letter = Letter(payload)
        try:
            request = (
                self._client.post(url)
                .bearer_auth(token)
                .header("content-type", "application/json")
                .header("content-length", str(len(payload)))
                # A plain iterator is taken from in the library's own thread: as fast as bytes, where an async one
                # costs as much as the whole call.
                .body_stream(letter.pieces)
                .build()
            )
        except ValueError:  # its text would show the token
            return NotSent(UNUSABLE)
        try:
            response = await request.send()
            return Answered(response.status, bytes(await response.bytes()))
        except PyreqwestError as error:
            return letter.failed(_reason(error, token))
        except CancelledError:
            # The library goes on until the total time is over: it must not begin to write by then.
            letter.failed("cancelled")
            raise

    async def close(self) -> None:
        """See `Transport`."""
        await self._client.close()


def _client(limits: Limits) -> Client:
    builder = (
        ClientBuilder()
        .connect_timeout(timedelta(seconds=limits.connect_seconds))
        .timeout(timedelta(seconds=limits.total_seconds))
        .max_connections(limits.max_in_flight)
        .pool_timeout(timedelta(seconds=limits.connect_seconds))
        .pool_max_idle_per_host(limits.max_in_flight)
        .pool_idle_timeout(timedelta(seconds=IDLE_SECONDS))
        .follow_redirects(enable=False)
        .user_agent(AGENT)
    )
    return (builder.proxy(ProxyBuilder.all(limits.proxy)) if limits.proxy else builder.no_proxy()).build()


def _reason(error: PyreqwestError, token: str) -> str:
    """For people. The first cause repeats the address; the last is what happened."""
    causes = (error.details["causes"] or []) if isinstance(error, DetailedPyreqwestError) else []
    if len(causes) > 1:
        return causes[-1]["message"].replace(token, "[token]")
    return type(error).__name__
