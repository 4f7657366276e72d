"""Clients that send HTTP slowly or endlessly, over plain sockets."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

HEAD: Final = b"POST %s HTTP/1.1\r\nHost: localhost\r\n"
WEBHOOK: Final = b"/whatsapp-cloud/webhook"
_CHUNK: Final = b"x" * 65_536

ENDLESS: Final[Mapping[str, tuple[bytes, bytes]]] = {
    # The first bytes, and the bytes that are repeated.
    "a header without an end": (HEAD % WEBHOOK + b"X-Long: ", _CHUNK),
    "headers without an end": (HEAD % WEBHOOK, b"X-Many: y\r\n" * 4_000),
    "a request line without an end": (b"GET /whatsapp-cloud/webhook?hub.mode=", _CHUNK),
    "an unsigned chunked body without an end": (
        HEAD % WEBHOOK + b"Transfer-Encoding: chunked\r\n\r\n",
        b"10000\r\n" + _CHUNK + b"\r\n",
    ),
    "a chunk extension without an end": (HEAD % WEBHOOK + b"Transfer-Encoding: chunked\r\n\r\n5;", _CHUNK),
    "trailers without an end": (HEAD % WEBHOOK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-T: y\r\n" * 4_000),
}
"""Requests that never end."""

SLOW: Final[Mapping[str, tuple[bytes, bytes]]] = {
    "nothing": (b"", b""),
    "a header, byte by byte": (HEAD % WEBHOOK + b"X-Slow: ", b"y"),
    "headers, one by one": (HEAD % WEBHOOK, b"X-Slow: y\r\n"),
    "a body, byte by byte": (HEAD % WEBHOOK + b"Content-Length: 2000000\r\n\r\n", b"{"),
    "chunks, one by one": (HEAD % WEBHOOK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n"),
}
"""Requests that never finish: the first bytes, and the bytes that follow every second."""


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a service."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Address":
        """Of `http://host:port`."""
        host, _, port = url.removeprefix("http://").partition(":")
        return cls(host, int(port))


@dataclass(frozen=True, slots=True)
class Endless:
    """The result of an endless request: accepted bytes, and seconds until it was cut off (None: never)."""

    sent: int
    cut_after: float | None


async def endless(address: Address, first: bytes, again: bytes, *, seconds: float, most: int) -> Endless:
    """Send until the service closes, `seconds` have passed or `most` bytes are out."""
    began, sent = time.monotonic(), 0
    reader, writer = await asyncio.open_connection(address.host, address.port)
    closed = asyncio.ensure_future(_until_closed(reader))
    try:
        async with asyncio.timeout(seconds):
            writer.write(first)
            while not closed.done():
                if sent < most:
                    writer.write(again)
                    sent += len(again)
                    await writer.drain()
                    await asyncio.sleep(0)
                else:
                    await asyncio.wait([closed])
    except TimeoutError:
        return Endless(sent, None)
    except OSError:
        return Endless(sent, time.monotonic() - began)
    finally:
        closed.cancel()
        writer.close()
    return Endless(sent, time.monotonic() - began)


async def slow(
    addresses: Iterable[Address], kinds: Mapping[str, tuple[bytes, bytes]], *, each: int, seconds: float
) -> dict[str, int]:
    """Open `each` connections of every kind to every address, keep them going, and count those that are open after
    `seconds`, by kind."""
    opened: dict[str, list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {}
    for name, (first, _) in kinds.items():
        for address in addresses:
            opened.setdefault(name, []).extend(await _opened(address, first, each))
    deadline = time.monotonic() + seconds
    watching = {
        writer: asyncio.ensure_future(_until_closed(reader)) for all_ in opened.values() for reader, writer in all_
    }
    try:
        while time.monotonic() < deadline and not all(task.done() for task in watching.values()):
            await asyncio.sleep(1.0)
            for name, (_, again) in kinds.items():
                for _, writer in opened[name]:
                    if again and not watching[writer].done():
                        with contextlib.suppress(OSError):
                            writer.write(again)
        return {name: sum(not watching[writer].done() for _, writer in all_) for name, all_ in opened.items()}
    finally:
        for writer, task in watching.items():
            task.cancel()
            writer.transport.abort()


async def _opened(
    address: Address, first: bytes, count: int
) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    made = []
    for _ in range(count):
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection(address.host, address.port)
        except (OSError, TimeoutError):  # the service takes no more
            continue
        writer.write(first)
        made.append((reader, writer))
    return made


async def held(address: Address, head: bytes, body: bytes, *, count: int, hold_seconds: float) -> dict[str, int]:
    """Send `count` requests at once but for their last byte, hold them, then end them; the first line of each answer,
    by its status (`cut`: there was none)."""

    async def one() -> str:
        try:
            async with asyncio.timeout(hold_seconds + 30):
                return await _held(address, head + b"Content-Length: %d\r\n\r\n" % len(body), body, hold_seconds)
        except (OSError, TimeoutError):
            return "cut"

    answers = await asyncio.gather(*(one() for _ in range(count)))
    return {answer: answers.count(answer) for answer in sorted(set(answers))}


async def _held(address: Address, head: bytes, body: bytes, seconds: float) -> str:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    answered = asyncio.ensure_future(reader.readline())
    try:
        writer.write(head + body[:-1])
        sent = asyncio.ensure_future(writer.drain())
        await asyncio.wait([answered], timeout=seconds)
        sent.cancel()
        if not answered.done():
            writer.write(body[-1:])
        line = await answered
        return line.split()[1].decode() if line else "cut"
    finally:
        answered.cancel()
        writer.transport.abort()


async def _until_closed(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(65_536):
            pass
