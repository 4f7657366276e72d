"""uvicorn's HTTP protocol with limits (ADR 0022).

A small request costs a few attribute assignments more than without: there is no clock and no timer for each. What a
connection does is told by counters, and the listener's sweep looks at them.
"""

import asyncio
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, cast

import httptools
from litestar.types import HTTPScope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from common.http.guard import answers
from common.http.guard.answers import Refusal
from common.http.guard.limits import (
    FREE_CHUNKS,
    LEAST_CHUNK_BYTES,
    LINGER_SECONDS,
    MAX_DISCARDED_BYTES,
    MAX_HEADERS,
    MAX_PIPELINED,
    Progress,
)
from common.http.guard.listener import Connection, Listener
from common.http.guard.upgrades import BodyAlone, body_parser, framing_of

# What a connection does. HEAD: new, or in the headers of a request; BODY: in its body; BUSY: the request is complete
# and being answered; IDLE: between requests; ENDED: refused, and what still comes is discarded.
HEAD: Final = 0
BODY: Final = 1
BUSY: Final = 2
IDLE: Final = 3
ENDED: Final = 4

_EXTENSION: Final = "whatsapp.connection"


_PARSER_STOPS: Final = (httptools.HttpParserError, httptools.HttpParserUpgrade)


class _StopParsingError(Exception):
    """Raised in a callback of the parser, to have no further callbacks."""


def stream_body(scope: Mapping[str, Any] | HTTPScope) -> None:
    """The application handles the body of this request piece by piece: it does not count as memory that is held."""
    connection = (scope.get("extensions") or {}).get(_EXTENSION)
    if isinstance(connection, GuardedProtocol):
        connection.stream(scope)


class GuardedProtocol(HttpToolsProtocol):
    """One connection.

    **Invariants:** the parser gets at most `header_bytes` in a row that are no bytes of a body. `held` is what the
    budget has counted for this connection. After a refusal the application sees `http.disconnect`, and nothing of this
    connection reaches it.
    """

    # Beside uvicorn's own attributes in a dict, which is slower when it has more than thirty.
    __slots__ = (
        "_budget",
        "_chunks",
        "_deaf",
        "_discarded",
        "_extensions",
        "_limits",
        "_listener",
        "_most",
        "_moved",
        "_phase",
        "_progress",
        "_queue",
        "_room",
        "_running",
        "_streamed",
        "_task",
        "_unread",
        "_unread_size",
        "held",
    )

    def __init__(
        self,
        listener: Listener,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.held = 0
        self._listener = listener
        self._limits = listener.limits
        self._budget = listener.process.budget
        self._queue: MutableMapping[Connection, None] | None = None
        self._phase = HEAD
        self._room = self._most = listener.limits.header_bytes
        self._moved = 0  # bytes of the present body, or discarded after a refusal
        self._discarded = 0  # bytes of it that came after its answer
        self._chunks = 0
        self._streamed = False
        self._deaf = False
        self._progress: Progress | None = None  # of the present state; None until the first sweep in it
        self._unread: Progress | None = None  # of an answer that the client does not read
        self._unread_size = 0
        self._extensions = {_EXTENSION: self}
        self._running: RequestResponseCycle | None = None
        self._task: asyncio.Task[None] | None = None

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
        self.scope["extensions"] = cast("Any", self._extensions)  # ours is none that uvicorn's types know
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

    # The listener's calls

    @property
    def waited(self) -> float:
        """Seconds in the present state that count against the client."""
        return self._progress.waited if self._progress is not None else 0.0

    def give_way(self, refusal: Refusal) -> None:
        """End now, because the listener or the memory is full."""
        self._end(refusal, linger=refusal is not answers.EVICTED)

    def sweep(self, seconds: float) -> None:
        """`seconds` have passed since the last sweep: end the connection when its client is late."""
        if self._phase == ENDED:
            if self._waits(seconds).waited > LINGER_SECONDS:
                self.transport.abort()
        elif self.flow.write_paused or self.transport.is_closing():
            self._sweep_answer(seconds)
        elif self._phase == HEAD and not self._is_answering():
            if self._waits(seconds).waited > self._limits.header_seconds:
                self._end(answers.HEADERS_LATE)
        elif self._phase == BODY:
            self._sweep_body(seconds)
        elif self._phase == IDLE and self._waits(seconds).waited > self.timeout_keep_alive:
            self.transport.close()

    def abort(self) -> None:
        """Cut the connection."""
        self.transport.abort()

    def shutdown(self) -> None:
        """The server ends: close now, or after the answer."""
        if self._phase == ENDED:
            self.transport.abort()
        else:
            super().shutdown()

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

    def _give_back(self, _task: object = None) -> None:
        if self.held:
            self._budget.shrink(self.held)
            self.held = 0

    def _file(self) -> None:
        """Stand in the queue of the present phase."""
        queue = self._place()
        if queue is not self._queue:
            self._leave()
            self._queue = queue
            if queue is not None:
                queue[self] = None

    def _place(self) -> MutableMapping[Connection, None] | None:
        """The queue of the present phase; none while a request is being answered. The sweep tells bodies apart."""
        phase, listener = self._phase, self._listener
        if phase == BUSY:
            return None
        if phase == IDLE:
            return listener.idle
        if phase == BODY:
            return (self._queue or listener.bodies) if self._running is self.cycle else None
        return None if phase == HEAD and self._is_answering() else listener.slow

    def _leave(self) -> None:
        if self._queue is not None:
            self._queue.pop(self, None)
            self._queue = None

    def _is_answering(self) -> bool:
        """Whether an application works on a request of this connection."""
        return self._running is not None and not self._running.response_complete

    def _waits(self, seconds: float, moved: int = 0) -> Progress:
        if self._progress is None:
            self._progress = Progress()
            self._progress.after(0.0, moved)
        else:
            self._progress.after(seconds, moved)
        return self._progress

    def _sweep_body(self, seconds: float) -> None:
        """While we do not read, or have not asked for the body, its time does not count."""
        if self.flow.read_paused or self._running is not self.cycle or self.cycle.waiting_for_100_continue:
            return
        before = self._moved if self._progress is None else self._progress.moved
        progress = self._waits(seconds, self._moved)
        if progress.is_late(self._limits):
            self._end(answers.BODY_LATE)
            return
        is_slow = progress.waited > 0 and self._moved - before < seconds * self._limits.bytes_per_second
        self._leave()
        self._queue = self._listener.slow if is_slow else self._listener.bodies
        self._queue[self] = None

    def _sweep_answer(self, seconds: float) -> None:
        size = self.transport.get_write_buffer_size()
        if self._unread is None:
            self._unread = Progress()
        else:
            read = max(0, self._unread_size - size)
            self._unread.after(seconds, self._unread.moved + read)
            if self._unread.is_late(self._limits):
                self._end(answers.ANSWER_LATE)
        self._unread_size = size

    def _end(self, refusal: Refusal, *, linger: bool = True) -> None:
        """Refuse: answer when no answer has begun, tell the application, and close, at the latest after some seconds.

        With `linger` we go on reading (and discard it): to close with bytes unread would reset the connection, and the
        client might not see the answer.
        """
        if self._phase != ENDED:
            refusal.count()
            answer = refusal.answer if self._expects_answer(refusal) else b""
            cut = self.transport.is_closing() or (self._is_answering() and self._begun())
            self._phase, self._progress, self._moved = ENDED, None, 0
            self._disconnect()
            self._give_back()
            if cut:
                self.transport.abort()
            else:
                self._say(answer, linger=linger)
            self._file()
        else:
            self.transport.abort()
        if not linger:
            self._leave()
            self._listener.forget(self)

    def _expects_answer(self, refusal: Refusal) -> bool:
        """Whether the client has begun a request that was not answered; a full listener tells each client."""
        if self._phase == BODY:
            return not self.cycle.response_complete
        return self._is_answering() or self._room < self._most or refusal is answers.CONNECTIONS

    def _begun(self) -> bool:
        return self._running is not None and self._running.response_started

    def _disconnect(self) -> None:
        """Have the applications see `http.disconnect`, and let none begin."""
        self.pipeline.clear()
        for cycle in (self._running, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.body = bytearray()
                cycle.message_event.set()
        self.flow.resume_writing()
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def _say(self, answer: bytes, *, linger: bool) -> None:
        if answer:
            self.transport.write(answer)
        if answer and linger:
            self.transport.write_eof()
        else:
            self.transport.close()
