"""The connections of a listener: who gives way when it is full, and one sweep for all their times."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain
from typing import Final, Protocol

from common.http.guard.answers import BODIES, CONNECTIONS, EVICTED, Refusal
from common.http.guard.budget import SMALL_BYTES, BodyBudget
from common.http.guard.limits import Limits

_QUICK_SECONDS: Final = 2.0
"""A large body that is read for less than this does not give way: bodies that come at once would all end each other."""


class Connection(Protocol):
    """A connection as the listener sees it."""

    held: int
    """Bytes of bodies that count in the budget."""

    @property
    def waited(self) -> float:
        """Seconds that it has been in its present state, as the sweeps count them."""

    def give_way(self, refusal: Refusal) -> None:
        """End now. The connection is not being answered."""

    def abort(self) -> None:
        """Cut it, whatever it does."""

    def sweep(self, seconds: float) -> None:
        """`seconds` have passed since the last sweep: end what is late."""


class Process:
    """What all listeners of a process share: the limits and the memory for bodies."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.budget = BodyBudget(limits.body_bytes_in_flight)
        self.listeners: list[Listener] = []

    def make_room(self, asking: Connection, size: int) -> bool:
        """End a body that arrives slowly, because `asking` needs memory for one of `size` bytes; False: there is none.

        Only bodies of the same share give way, and none that has arrived completely.
        """
        for listener in self.listeners:
            for other in listener.reading():
                if other is not asking and _gives_way(other, small=size <= SMALL_BYTES):
                    other.give_way(BODIES)
                    return True
        return False


def _gives_way(connection: Connection, *, small: bool) -> bool:
    if small:
        return 0 < connection.held <= SMALL_BYTES
    return connection.held > SMALL_BYTES and connection.waited > _QUICK_SECONDS


class Listener:
    """The connections of one listener.

    **Invariants:** at most `limits.connections` are open. A connection is in one of `slow`, `idle` and `bodies`, oldest
    first, or in none of them while its request is complete and being answered.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        self.limits = process.limits
        self.open: dict[Connection, None] = {}
        self.slow: OrderedDict[Connection, None] = OrderedDict()  # no complete headers yet, or a body that stands still
        self.idle: OrderedDict[Connection, None] = OrderedDict()  # between two requests
        self.bodies: OrderedDict[Connection, None] = OrderedDict()  # a body that arrives
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0
        process.listeners.append(self)

    def start(self) -> None:
        """Begin to sweep."""
        loop = asyncio.get_running_loop()
        self._last = loop.time()
        self._timer = loop.call_later(self.limits.sweep_seconds, self._tick, loop)

    async def stop(self) -> None:
        """Sweep no more, and cut the connections that are still open. The server has ended."""
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self.open):
            connection.abort()
        await asyncio.sleep(0)  # the transports close in the next round of the loop

    def admit(self, connection: Connection) -> Refusal | None:
        """Take a new connection; when none can end for it, the answer to it.

        When the listener is full, the oldest of the most numerous kind gives way. So an attack of one kind of
        connection is at its own expense, and a new one has the time to send its request, whatever the others do.
        """
        self.open[connection] = None
        if len(self.open) > self.limits.connections:
            crowd = max(self.slow, self.idle, self.bodies, key=len)
            oldest = next(iter(crowd), None)
            if oldest is None:
                return CONNECTIONS
            oldest.give_way(EVICTED)
        self.slow[connection] = None
        return None

    def forget(self, connection: Connection) -> None:
        """The connection no longer counts."""
        self.open.pop(connection, None)

    def reading(self) -> Iterator[Connection]:
        """Connections whose request is not complete: those that stand still first, then the oldest."""
        return chain(self.slow, self.bodies)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now, every = loop.time(), self.limits.sweep_seconds
        # While the loop was busy nothing was read, so that time does not count against the clients.
        passed, self._last = min(now - self._last, 2 * every), now
        for connection in list(self.open):
            connection.sweep(passed)
        self._timer = loop.call_later(every, self._tick, loop)
