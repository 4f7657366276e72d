"""The lower bound: a connection that writes prepared bytes, and reads only the status and length of an answer."""

import asyncio
from typing import cast

from outbound_http.wire import message_end, status_and_body


class RawConnection(asyncio.Protocol):
    """A connection with one call at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._answered: asyncio.Future[tuple[int, bytes]] | None = None
        self._seen = b""

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Write a request, and return the status and the body."""
        self._answered = self._loop.create_future()
        self._transport.write(request)
        return self._answered

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Wake the caller when the answer is complete."""
        self._seen = self._seen + data if self._seen else data
        end = message_end(self._seen)
        if end and self._answered is not None:
            self._answered.set_result(status_and_body(self._seen))
            self._seen = b""

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake the waiting caller."""
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionError("closed before it answered"))
