"""All clients with one interface: `await call()` makes a call, and returns its status and body.

All keep their connections and have one for each call in flight. All but `raw` keep a deadline.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import httpx
from pyreqwest.client import ClientBuilder

from common.meta.client import Answered, GraphClient, GraphSettings
from common.meta.transports.transport import Limits, Transport
from common.meta.transports.with_aiohttp import AiohttpTransport
from common.meta.transports.with_httpx import HttpxTransport
from common.meta.transports.with_pyreqwest import PyreqwestTransport
from outbound_http.raw import RawConnection
from outbound_http.wire import request as whole_request

Call = Callable[[], Awaitable[tuple[int, bytes]]]

NUMBER: Final = "106540352242922"
TOKEN: Final = "EAAG" + "x9Zb7Qk2" * 24
PAYLOAD: Final = (
    b'{"messaging_product":"whatsapp","recipient_type":"individual","to":"+4917012345678","type":"text",'
    b'"text":{"preview_url":false,"body":"Your parcel is on its way and arrives tomorrow between 9 and 12."},'
    b'"biz_opaque_callback_data":"s1:4f1c2a9e7b3d8c60"}'
)
_PATH: Final = f"/v25.0/{NUMBER}/messages"
_HEADERS: Final = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
_CONNECT_SECONDS: Final = 3.0
_TOTAL_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Target:
    """The server (`https://host:port`), the trusted certificate, and the number of concurrent calls."""

    url: str
    ca: Path
    in_flight: int

    def context(self) -> ssl.SSLContext:
        """A TLS context that trusts only this certificate."""
        return ssl.create_default_context(cafile=self.ca)


@asynccontextmanager
async def _raw(target: Target) -> AsyncIterator[Call]:
    at = urlsplit(target.url)
    loop, context = asyncio.get_running_loop(), target.context()
    made = [
        await loop.create_connection(RawConnection, at.hostname or "", at.port or 443, ssl=context)
        for _ in range(target.in_flight)
    ]
    free = [connection for _, connection in made]
    ready = whole_request(at.netloc, _PATH, _HEADERS, PAYLOAD)

    async def call() -> tuple[int, bytes]:
        connection = free.pop()
        answered = await connection.ask(ready)
        free.append(connection)
        return answered

    yield call
    for transport, _ in made:
        transport.close()


def _through(transport: Callable[[Limits], Transport]) -> Callable[[Target], AbstractAsyncContextManager[Call]]:
    """The sender's own client over a transport."""

    def caller(target: Target) -> AbstractAsyncContextManager[Call]:
        return _graph(target, transport)

    return caller


@asynccontextmanager
async def _graph(target: Target, transport: Callable[[Limits], Transport]) -> AsyncIterator[Call]:
    # All clients find certificates there on Linux, so the client itself runs as in production.
    os.environ["SSL_CERT_FILE"] = str(target.ca)
    client = GraphClient(GraphSettings(graph_base_url=target.url), max_in_flight=target.in_flight, transport=transport)

    async def call() -> tuple[int, bytes]:
        end = await client.send(NUMBER, TOKEN, PAYLOAD)
        if not isinstance(end, Answered):
            raise ConnectionError(end.reason)
        return end.status, end.body

    yield call
    await client.close()


@asynccontextmanager
async def _pyreqwest(target: Target) -> AsyncIterator[Call]:
    """The library with a body of bytes. The difference is the cost of proving that a request was not sent."""
    os.environ["SSL_CERT_FILE"] = str(target.ca)
    client = (
        ClientBuilder()
        .timeout(timedelta(seconds=_TOTAL_SECONDS))
        .max_connections(target.in_flight)
        .pool_max_idle_per_host(target.in_flight)
        .build()
    )

    async def call() -> tuple[int, bytes]:
        request = client.post(target.url + _PATH).bearer_auth(TOKEN).header("content-type", "application/json")
        response = await request.body_bytes(PAYLOAD).build().send()
        return response.status, bytes(await response.bytes())

    yield call
    await client.close()


@asynccontextmanager
async def _aiohttp(target: Target) -> AsyncIterator[Call]:
    connector = aiohttp.TCPConnector(limit=target.in_flight, ssl=target.context())
    timeout = aiohttp.ClientTimeout(total=_TOTAL_SECONDS, connect=_CONNECT_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def call() -> tuple[int, bytes]:
            async with session.post(target.url + _PATH, data=PAYLOAD, headers=_HEADERS) as response:
                return response.status, await response.read()

        yield call


@asynccontextmanager
async def _httpx(target: Target) -> AsyncIterator[Call]:
    limits = httpx.Limits(max_connections=target.in_flight, max_keepalive_connections=target.in_flight)
    timeout = httpx.Timeout(_TOTAL_SECONDS, connect=_CONNECT_SECONDS)
    async with httpx.AsyncClient(verify=target.context(), limits=limits, timeout=timeout) as client:

        async def call() -> tuple[int, bytes]:
            response = await client.post(target.url + _PATH, content=PAYLOAD, headers=_HEADERS)
            return response.status_code, response.content

        yield call


CALLERS: Final[Mapping[str, Callable[[Target], AbstractAsyncContextManager[Call]]]] = {
    "raw": _raw,
    "graph": _through(PyreqwestTransport),
    "graph-aiohttp": _through(AiohttpTransport),
    "graph-httpx": _through(HttpxTransport),
    "pyreqwest": _pyreqwest,
    "aiohttp": _aiohttp,
    "httpx": _httpx,
}
