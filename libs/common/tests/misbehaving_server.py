"""A server that misbehaves, on real sockets, and calls of every transport to it."""

import asyncio
import socket
import struct
from contextlib import asynccontextmanager

import pytest

from common.meta.client import GraphClient, GraphSettings, NotSent
from common.meta.transports.with_aiohttp import AiohttpTransport
from common.meta.transports.with_httpx import HttpxTransport
from common.meta.transports.with_pyreqwest import PyreqwestTransport

TOKEN = "EAAfake-token"
SMALL = b'{"a":1}'
LARGE = b'{"a":"' + b"x" * 16_000_000 + b'"}'  # more than the buffers of a connection hold
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"

EVERY_TRANSPORT = [
    pytest.mark.parametrize(
        "transport", [PyreqwestTransport, AiohttpTransport, HttpxTransport], ids=["pyreqwest", "aiohttp", "httpx"]
    ),
    pytest.mark.usefixtures("no_proxy"),
]


class Server:
    """Hands each connection to `behave(server, reader, writer)`; counts what it got."""

    def __init__(self, behave):
        self.behave = behave
        self.connections = 0
        self.complete = 0  # requests that were there to the last byte
        self.got = b""
        self.tasks = set()
        self.closed = asyncio.Event()

    async def connected(self, reader, writer):
        self.connections += 1
        self.tasks.add(asyncio.current_task())
        try:
            await self.behave(self, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            self.closed.set()
        finally:
            writer.close()

    async def request(self, reader):
        """Read a whole request."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.got += head
        lines = [line.split(b":") for line in head.lower().split(b"\r\n") if b":" in line]
        (length,) = [int(value) for name, value, *_ in lines if name == b"content-length"]
        assert b"transfer-encoding" not in {name for name, *_ in lines}
        await reader.readexactly(length)
        self.complete += 1


@asynccontextmanager
async def serving(behave, context=None):
    server = Server(behave)
    listening = await asyncio.start_server(server.connected, "127.0.0.1", 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in server.tasks:
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)


@asynccontextmanager
async def client_of(transport, url, *, total=1.0, connect=0.5, in_flight=10):
    settings = GraphSettings(graph_base_url=url, graph_total_seconds=total, graph_connect_seconds=connect)
    client = GraphClient(settings, max_in_flight=in_flight, transport=transport)
    try:
        yield client
    finally:
        await client.close()


async def call(transport, behave, payload=SMALL, *, scheme="http", context=None, **options):
    async with (
        serving(behave, context) as server,
        client_of(transport, f"{scheme}://127.0.0.1:{server.port}", **options) as client,
    ):
        end = await client.send("123", TOKEN, payload)
        assert TOKEN not in repr(end)
        assert not (isinstance(end, NotSent) and server.complete)  # the one thing that must never be said
        return end, server


def reset(writer):
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def answers(*pieces, then=None):
    async def behave(server, reader, writer):
        while True:
            await server.request(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if then is not None:
                await then(writer)
                return

    return behave


async def closing(writer):
    writer.close()


async def resetting(writer):
    reset(writer)


async def waiting(_writer):
    await asyncio.sleep(60)
