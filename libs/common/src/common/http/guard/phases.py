"""What a connection is doing, in whose queue it stands, when its client is late, and how it ends (ADR 0022)."""

import asyncio
from collections.abc import MutableMapping
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from common.http.guard import answers
from common.http.guard.answers import Refusal
from common.http.guard.limits import LINGER_SECONDS, Progress
from common.http.guard.listener import Connection, Listener

# What a connection does. HEAD: new, or in the headers of a request; BODY: in its body; BUSY: the request is complete
# and being answered; IDLE: between requests; ENDED: refused, and what still comes is discarded.
HEAD: Final = 0
BODY: Final = 1
BUSY: Final = 2
IDLE: Final = 3
ENDED: Final = 4


class PhasedProtocol(HttpToolsProtocol):
    """The state of one connection, and what time and refusals do to it; what its bytes do is `GuardedProtocol`'s.

    **Invariants:** `held` is what the budget has counted for this connection. After a refusal the application sees
    `http.disconnect`, and nothing of this connection reaches it.
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
        self._extensions: dict[str, PhasedProtocol] = {}
        self._running: RequestResponseCycle | None = None
        self._task: asyncio.Task[None] | None = None

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

    # Its queue and its memory

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

    # Its time

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

    # Its end

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
        """Send the applications `http.disconnect`, and start no other."""
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
