"""uvicorn's HTTP protocol with limits (ADR 0022).

A small request costs a few attribute assignments more than without: there is no clock and no timer for each. What a
connection does is in counters, and the listener's sweep reads them (`phases`).
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, cast

import httptools
from litestar.types import HTTPScope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from common.http.guard import answers
from common.http.guard.limits import (
    FREE_CHUNKS,
    LEAST_CHUNK_BYTES,
    MAX_DISCARDED_BYTES,
    MAX_HEADERS,
    MAX_PIPELINED,
)
from common.http.guard.listener import Listener
from common.http.guard.phases import BODY, BUSY, ENDED, HEAD, IDLE, PhasedProtocol
from common.http.guard.upgrades import BodyAlone, body_parser, framing_of

_EXTENSION: Final = "whatsapp.connection"


_PARSER_STOPS: Final = (httptools.HttpParserError, httptools.HttpParserUpgrade)


class _StopParsingError(Exception):
    """Raised in a callback of the parser, to have no further callbacks."""


def stream_body(scope: Mapping[str, Any] | HTTPScope) -> None:
    """The application handles the body of this request piece by piece: it does not count as memory that is held."""
    connection = (scope.get("extensions") or {}).get(_EXTENSION)
    if isinstance(connection, GuardedProtocol):
        connection.stream(scope)


class GuardedProtocol(PhasedProtocol):
    """One connection.

    **Invariant:** the parser gets at most `header_bytes` in a row that are no bytes of a body. `PhasedProtocol` has the
    others.
    """

    __slots__ = ()

    def __init__(
        self,
        listener: Listener,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(listener, config, server_state, app_state, _loop)
        self._extensions[_EXTENSION] = self

    # The transport's callbacks

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client has connected; when the listener is full, another one goes, or this one."""
        super().connection_made(transport)
        refusal = self._listener.admit(self)
        self._queue = self._listener.slow
        if refusal is not None:
            self._end(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has gone. What an application still holds of it counts until that application ends."""
        self._phase = ENDED
        self._disconnect()
        super().connection_lost(exc)
        self._leave()
        self._listener.forget(self)
        self._extensions.clear()  # else the connection would refer to itself, and stay until garbage is collected
        if self.held and self._task is not None and not self._task.done():
            self._task.add_done_callback(self._give_back)
        else:
            self._give_back()

    def data_received(self, data: bytes) -> None:
        """Bytes have come: the parser gets them, in pieces when there are more than may be headers."""
        if self._deaf or self._phase == ENDED:
            self._discard(len(data))
            return
        if self._phase == IDLE:
            self._phase, self._progress = HEAD, None
        size = len(data)
        if size <= self._room:
            self._room -= size
            try:
                self.parser.feed_data(data)
            except _PARSER_STOPS as error:
                self._stop(error, data)
        else:
            self._feed_pieces(memoryview(data))
        if self._phase == BUSY:
            self._leave()
        else:
            self._file()

    def resume_writing(self) -> None:
        """The client has read enough of the answer for more."""
        self._unread = None
        super().resume_writing()

    # The parser's callbacks

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["extensions"] = cast("Any", self._extensions)  # uvicorn's types do not know ours
        if self._phase != HEAD:
            self._phase, self._progress = HEAD, None

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer: trailers are dropped, so that they never count as headers (RFC 9110, 6.5.1)."""
        if self._phase != HEAD:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))  # as uvicorn's own; to call it would cost each header as much again

    def on_headers_complete(self) -> None:
        """The application gets the request; its body may follow."""
        if len(self.pipeline) >= MAX_PIPELINED:
            self._end(answers.PIPELINED)
            raise _StopParsingError
        if len(self.headers) > MAX_HEADERS:  # their bytes are limited, so there are some thousands at most until here
            self._end(answers.HEADERS)
            raise _StopParsingError
        super().on_headers_complete()
        self._phase, self._progress, self._room = BODY, None, self._most
        self._moved, self._discarded, self._chunks, self._streamed = 0, 0, 0, False

    def on_chunk_header(self) -> None:
        """A chunk begins. Many tiny ones are refused. uvicorn has no such callback; httptools finds it by its name."""
        self._chunks += 1
        if self._chunks > FREE_CHUNKS + self._moved // LEAST_CHUNK_BYTES:
            self._end(answers.FRAMING)
            raise _StopParsingError

    def on_body(self, body: bytes) -> None:
        """Bytes of a body: counted, unless the application streams them or has answered already."""
        size = len(body)
        self._room = self._most
        self._moved += size
        if self.cycle.response_complete:
            self._discarded += size
            if self._discarded > MAX_DISCARDED_BYTES:
                self._end(answers.DISCARDED)
                raise _StopParsingError
            return
        if not self._streamed:
            if not self._budget.grow(self.held, size) and not self._find_room(size):
                self._end(answers.BODIES)
                raise _StopParsingError
            self.held += size
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._room = self._most
        super().on_message_complete()
        self._phase, self._progress = (IDLE if self.cycle.response_complete else BUSY), None

    # uvicorn's callbacks

    def on_response_complete(self) -> None:
        """An answer is complete: give back its memory, and let the next request begin.

        As uvicorn's own, without its timer: the sweep closes a connection that is idle for long.
        """
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
        if self.cycle.response_complete:  # else there is a further request on this connection that holds memory
            self._give_back()
            if self._phase == BUSY:
                self._phase, self._progress = IDLE, None
        self._file()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        self._task = self.loop.create_task(cycle.run_asgi(app))
        self._task.add_done_callback(self.tasks.discard)
        self.tasks.add(self._task)

    # The application's call

    def stream(self, scope: Mapping[str, Any] | HTTPScope) -> None:
        """The body of the request with this scope, or a copy of it, is not held from now on."""
        if self.cycle.scope["headers"] is scope["headers"]:
            self._streamed = True
            self._give_back()

    # Parts

    def _stop(self, error: Exception, data: bytes | memoryview) -> None:
        """The parser goes no further in `data`."""
        if isinstance(error, httptools.HttpParserUpgrade):
            self._ignore_upgrade(data[error.args[0] :])
        elif self._phase != ENDED and not self._deaf:
            self._end(answers.MALFORMED)

    def _ignore_upgrade(self, rest: bytes | memoryview) -> None:
        """Go on without the protocol that a client offers; `rest` came behind the head.

        Behind the body nothing is read: it may be in that other protocol, and is no request.
        """
        self.cycle.keep_alive = False
        framing = framing_of(self.scope["method"], self.headers)
        if not framing:
            self._deaf = True
            return
        self.cycle.more_body = True  # the application has not begun
        self.cycle.message_event.clear()
        self._phase, self._progress = BODY, None
        try:
            self.parser = body_parser(BodyAlone(self.on_chunk_header, self.on_body, self._end_after_body), framing)
            if rest:
                self.parser.feed_data(rest)
        except _PARSER_STOPS as error:
            self._stop(error, rest)

    def _end_after_body(self) -> None:
        """The body of a request whose upgrade we ignored is complete: what else comes is discarded."""
        self.on_message_complete()
        self._deaf, self._moved = True, 0
        raise _StopParsingError

    def _feed_pieces(self, data: memoryview) -> None:
        while data and not self._deaf and self._phase != ENDED:
            if self._room == 0:
                self._end(answers.FRAMING if self._phase == BODY else answers.HEADERS)
                return
            piece, data = data[: self._room], data[self._room :]
            self._room -= len(piece)
            try:
                self.parser.feed_data(piece)
            except _PARSER_STOPS as error:
                self._stop(error, piece)

    def _discard(self, size: int) -> None:
        self._moved += size
        if self._moved > MAX_DISCARDED_BYTES:
            self.transport.abort()

    def _find_room(self, size: int) -> bool:
        while self._listener.process.make_room(self, self.held + size):
            if self._budget.grow(self.held, size):
                return True
        return False
