"""Sends webhooks over HTTP/1.1 with little CPU: some microseconds for each.

`python -m yardstick.load.http_load --port 8000 --seconds 5`.

*Closed loop*: each of `--connections` sends its next request after the answer to the last, so the server is saturated.
*Open loop* (`--rate`): request i is due at i/rate, also if earlier ones still run. Its latency counts from then,
including the wait for a connection (Tene, "How NOT to Measure Latency": otherwise a server that stalls looks good).
Requests are made and signed before the start. The last line of the output is JSON. With `--timed` the start is given,
and each text has the time at which its request is due (`t=<ns of the monotonic clock>`), so that a later reader of the
message knows how late it is.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, cast

import uvloop

from yardstick.load.webhooks import body, request

_POOL: Final = 4_000


class Load:
    """One run: requests to send, answers (`late_ms` by request), and idle connections."""

    def __init__(self, requests: Sequence[bytes], first_at: float, end_at: float, rate: float) -> None:
        self._requests = requests
        self._first_at = first_at
        self._end_at = end_at
        self._rate = rate
        self.sent = 0
        self.failed = 0
        self.late_ms: list[float] = []
        self.idle: list[Connection] = []
        self.waiting: deque[float] = deque()

    def next(self) -> bytes:
        """The next request."""
        self.sent += 1
        return self._requests[(self.sent - 1) % len(self._requests)]

    def answered(self, connection: "Connection", due: float, status: bytes) -> None:
        """Record an answer, and give its connection the next request."""
        now = time.monotonic()
        if status != b"200":
            self.failed += 1
        elif due >= self._first_at:
            self.late_ms.append((now - due) * 1000)
        if self._rate:
            if self.waiting:
                connection.send(self.waiting.popleft())
            else:
                self.idle.append(connection)
        elif now < self._end_at:
            connection.send(now)


class Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request under way."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""
        self._due = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server closed an idle connection. Nothing more is sent on it."""
        del exc
        if self in self._load.idle:
            self._load.idle.remove(self)

    def send(self, due: float) -> None:
        """Send the next request, which was due then."""
        self._due = due
        assert self._transport is not None  # noqa: S101  # connected before it is used
        self._transport.write(self._load.next())

    def data_received(self, data: bytes) -> None:
        """An answer has a head and a body of a few bytes, which come together or in two parts."""
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0 or len(self._buffer) < head + 4 + _length(self._buffer[:head]):
            return
        status, self._buffer = self._buffer[9:12], b""
        self._load.answered(self, self._due, status)


def _length(head: bytes) -> int:
    found = head.lower().partition(b"content-length:")[2]
    return int(found.split(b"\r\n", 1)[0]) if found else 0


async def run(
    port: int, *, connections: int, seconds: float, rate: float, requests: Sequence[bytes], begin: float = 0.0
) -> Load:
    """Load for `seconds` from now, or from `begin` of the monotonic clock; the first tenth does not count."""
    loop = asyncio.get_running_loop()
    began = begin or time.monotonic()
    load = Load(requests, began + seconds / 10, began + seconds, rate)

    async def connect() -> Connection:
        return (await loop.create_connection(lambda: Connection(load), "127.0.0.1", port))[1]

    opened = [await connect() for _ in range(connections)]
    if begin:
        await _until(begin)
    if rate:
        load.idle.extend(opened)
        await _pace(load, began, seconds, rate)
    else:
        for connection in opened:
            connection.send(time.monotonic())
        await asyncio.sleep(seconds + 0.2)
    return load


async def _until(begin: float) -> None:
    left = begin - time.monotonic()
    if left < 0:
        sys.exit(f"the requests were ready {-left:.1f} s after the first was due: begin later")
    await asyncio.sleep(left)


async def _pace(load: Load, began: float, seconds: float, rate: float) -> None:
    total, number = int(rate * seconds), 0
    while number < total:
        due = int((time.monotonic() - began) * rate) + 1
        while number < min(due, total):
            at = began + number / rate
            if load.idle:
                load.idle.pop().send(at)
            else:
                load.waiting.append(at)
            number += 1
        await asyncio.sleep(0.001)
    for _ in range(100):
        if not load.waiting:
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)


def timed_text(number: int, due: float) -> str:
    """The text of message `number`, which is due then, in seconds of the monotonic clock."""
    return f"Hello, where is my order number {number}? I have been waiting for it. t={int(due * 1e9)}"


def _told(load: Load, seconds: float) -> str:
    counted = len(load.late_ms)
    late = sorted(load.late_ms)
    shares = (
        {f"p{share:g}": late[min(counted - 1, int(share / 100 * counted))] for share in (50, 90, 99, 99.9)}
        if late
        else {}
    )
    return json.dumps({"perSecond": counted / (seconds * 0.9), "failed": load.failed, "sent": load.sent, **shares})


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m yardstick.load.http_load", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, required=True)
    add("--connections", type=int, default=64)
    add("--seconds", type=float, default=5.0)
    add("--rate", type=float, default=0.0, help="requests per second; without it as many as there are answers")
    add("--customers", type=int, default=1_000)
    add("--first", type=int, default=0, help="number of the first message: ids are derived from it")
    add("--timed", type=float, default=0.0, help="with --rate: when to begin, in seconds of the monotonic clock")
    given = parser.parse_args()
    count = int(given.rate * given.seconds) + 1 if given.rate else _POOL
    texts = [timed_text(given.first + n, given.timed + n / given.rate) if given.timed else "" for n in range(count)]
    requests = [request(body(given.first + n, customers=given.customers, text=text)) for n, text in enumerate(texts)]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        load = runner.run(
            run(
                given.port,
                connections=given.connections if not given.rate else max(given.connections, 128),
                seconds=given.seconds,
                rate=given.rate,
                requests=requests,
                begin=given.timed,
            )
        )
    print(_told(load, given.seconds))


if __name__ == "__main__":
    main()
