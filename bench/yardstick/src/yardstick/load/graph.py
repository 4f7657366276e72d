"""A fake Meta for measurements: it accepts every message at once, or after a given time, with almost no CPU.

`python -m yardstick.load.graph --port 9000 [--latency-ms 150] [--statuses-to 8000]`. It answers `POST
/<version>/<number>/messages` as Meta does, and the credentials that the sender asks accounts for. With `--statuses-to`,
ingress on that port gets the statuses of each message. `GET /stats` says how many messages came, and how late each was
behind the instant that its text names (`t=<ns of the monotonic clock>`), in milliseconds.
It parses as little of HTTP as its callers need: a body has a content-length, and requests of a connection come one by
one.
"""

import argparse
import asyncio
import json
import re
import time
from functools import partial
from typing import Final, cast

import uvloop

from yardstick.load.statuses import Statuses

_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_INSTANT: Final = re.compile(rb"t=([1-9]\d*)")
_STATS: Final = b"GET /stats"
_CALL: Final = re.compile(rb"POST /[^/ ]+/(\d+)/messages")
_ACCOUNT: Final = re.compile(rb"GET /internal/accounts/([^/ ]+)/credentials")
_ANSWER: Final = (
    b'{"messaging_product":"whatsapp","contacts":[{"input":"+491510000001","wa_id":"491510000001"}],'
    b'"messages":[{"id":"wamid.BENCH%d"}]}'
)


class Tally:
    """The received messages: their number, and how late each was, in ms."""

    def __init__(self) -> None:
        self.count = 0
        self.late_ms: list[float] = []

    def note(self, body: bytes) -> int:
        """Count a message; its number."""
        self.count += 1
        found = _INSTANT.search(body)
        if found:
            self.late_ms.append((time.monotonic_ns() - int(found.group(1))) / 1e6)
        return self.count

    def take(self) -> bytes:
        """Everything as JSON. It also resets the latencies."""
        late, self.late_ms = self.late_ms, []
        return json.dumps({"count": self.count, "lateMs": late}).encode()


class Connection(asyncio.Protocol):
    """The connection of one caller."""

    def __init__(self, tally: Tally, latency: float, statuses: Statuses | None = None) -> None:
        self._tally = tally
        self._statuses = statuses
        self._latency = latency
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = cast("asyncio.Transport", transport)  # TCP has one that writes

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._buffer += data
        while (head := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._buffer, 0, head)
            end = head + 4 + (int(length.group(1)) if length else 0)
            if len(self._buffer) < end:
                return
            request, self._buffer = self._buffer[:end], self._buffer[end:]
            self._answer(request, request[head + 4 :])

    def _answer(self, request: bytes, body: bytes) -> None:
        if request.startswith(b"POST"):
            number = self._tally.note(body)
            answer = _http(_ANSWER % number)
            if self._statuses is not None and (call := _CALL.match(request)):
                self._statuses.tell(body, f"wamid.BENCH{number}", call.group(1).decode())
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._write, answer)
            else:
                self._write(answer)
            return
        account = _ACCOUNT.match(request)
        if account:
            self._write(_http(_credentials(account.group(1))))
        else:  # the sender also asks for the limits of a number, which have no place here
            self._write(_http(self._tally.take() if request.startswith(_STATS) else b"{}"))

    def _write(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


def _credentials(chatbot_id: bytes) -> bytes:
    number = int(re.sub(rb"\D", b"", chatbot_id) or b"0")
    data = {
        "phoneNumberId": f"1065403522{number:05}",
        "accessToken": "EAAfake-token-of-the-benchmark" * 5,
        "revision": 1,
    }
    return json.dumps({"success": True, "data": data}).encode()


def _http(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


async def _serve(port: int, latency: float, statuses: Statuses | None) -> None:
    tally = Tally()
    make = partial(Connection, tally, latency, statuses)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m yardstick.load.graph", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=0.0, help="of each answer to a message (default: 0)")
    parser.add_argument("--statuses-to", type=int, default=0, help="port of ingress (default: no statuses)")
    given = parser.parse_args()
    statuses = Statuses(given.statuses_to) if given.statuses_to else None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(given.port, given.latency_ms / 1000, statuses))


if __name__ == "__main__":
    main()
