"""Whose turn it is: the lanes that may go, by the share and the pace of their groups. Synchronous, no IO.

Groups (numbers) share a sender by *start-time fair queueing* (Goyal, Vin, Cheng, 1996): each send moves its group's
virtual time on by one over the group's weight, and the group that is furthest behind goes next. A group that was idle
begins at the present virtual time, so that it has no debts and no credit. Within a group, lanes that somebody waits
for go before campaigns.

Times are seconds of one clock that the caller passes in.
"""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

import msgspec

_MANY: Final = 10_000
NEVER: Final = float("inf")


class Queueable(Protocol):
    """What turns know of a lane. `ready` says that it waits for its turn; only turns change it."""

    group: str
    ready: bool


class Pace(Protocol):
    """When the next send of a group may go."""

    def ready_at(self, now: float) -> float:
        """Now, or later."""

    def reserve(self) -> None:
        """One is about to go."""


L = TypeVar("L", bound=Queueable)


class Share(msgspec.Struct, frozen=True):
    """How a group shares: its weight, its pace (None: as fast as it can), and how many may be under way at once."""

    weight: float = 1.0
    pace: Pace | None = None
    most: int = 1_000_000


class VirtualClock:
    """The virtual times of all groups of a process; sessions share them, so that they can be compared."""

    def __init__(self, terms: Callable[[str], Share] = lambda _: Share()) -> None:
        self.terms = terms
        self._now = 0.0
        self._ends: dict[str, float] = {}
        self._most = _MANY

    def start(self, group: str) -> float:
        """The virtual time at which the group's next send starts, if it is ready now."""
        return max(self._now, self._ends.get(group, 0.0))

    def charge(self, group: str, start: float) -> None:
        """A send of the group goes, which could start then."""
        self._now = max(self._now, start)
        self._ends[group] = max(start, self._ends.get(group, 0.0)) + 1.0 / self.terms(group).weight
        if len(self._ends) > self._most:
            self._ends = {name: end for name, end in self._ends.items() if end > self._now}
            self._most = max(_MANY, 2 * len(self._ends))  # with many at work, not at every send


@dataclass(eq=False, slots=True)
class _Group(Generic[L]):
    name: str
    first: deque[L] = field(default_factory=deque)
    later: deque[L] = field(default_factory=deque)
    running: int = 0
    start: float = 0.0
    queued: bool = False

    def pop(self) -> L | None:
        """The next lane; those that were taken by their other entry are passed over."""
        for lanes in (self.first, self.later):
            while lanes:
                lane = lanes.popleft()
                if lane.ready:
                    lane.ready = False
                    return lane
        return None


class FairQueue(Generic[L]):
    """The lanes of one session that wait for their turn."""

    def __init__(self, shares: VirtualClock | None = None) -> None:
        self._shares = shares or VirtualClock()
        self._groups: dict[str, _Group[L]] = {}
        self._heap: list[tuple[float, int, _Group[L]]] = []
        self._sleeping: list[tuple[float, int, _Group[L]]] = []
        self._sequence = 0

    def add(self, lane: L, *, first: bool) -> None:
        """The lane waits for its turn from now on; a second time, to go before campaigns after all."""
        group = self._groups.get(lane.group)
        if group is None:
            group = self._groups[lane.group] = _Group(lane.group)
        if not lane.ready or first:
            (group.first if first else group.later).append(lane)
        lane.ready = True
        self._queue(group)

    def next(self, now: float) -> L | None:
        """The lane whose turn it is. Say `went` when it is really used; if it is not, nothing is lost."""
        self._wake(now)
        while self._heap:
            group = self._heap[0][2]
            terms = self._shares.terms(group.name)
            ready_at = terms.pace.ready_at(now) if terms.pace is not None else now
            if group.running >= terms.most or ready_at > now:
                heapq.heappop(self._heap)
                group.queued = False
                if group.running < terms.most:
                    self._sleep(group, ready_at)
                continue
            lane = group.pop()
            if lane is not None:
                return lane
            heapq.heappop(self._heap)
            group.queued = False
            self._drop_idle(group)
        return None

    def went(self, name: str, *, paced: bool) -> None:
        """The lane that `next` gave is used for a send."""
        group = self._groups[name]
        group.running += 1
        self._shares.charge(name, group.start)
        pace = self._shares.terms(name).pace
        if paced and pace is not None:
            pace.reserve()
        if group.queued:  # it is the first of the heap: it goes back behind those that it has now overtaken
            heapq.heappop(self._heap)
            group.queued = False
            self._queue(group)

    def ended(self, name: str) -> None:
        """A send of the group is not under way any more."""
        group = self._groups.get(name)
        if group is None:
            return
        group.running -= 1
        self._queue(group)
        self._drop_idle(group)

    def next_due(self) -> float | None:
        """When a group that goes too fast may go on; None when none waits for that."""
        return self._sleeping[0][0] if self._sleeping else None

    def urgency(self) -> float:
        """The virtual time of what would be next, the smaller the more urgent; `NEVER` when nothing is ready."""
        return self._heap[0][0] if self._heap else NEVER

    def _queue(self, group: _Group[L]) -> None:
        if group.queued or not (group.first or group.later):
            return
        group.start = self._shares.start(group.name)
        group.queued = True
        self._sequence += 1
        heapq.heappush(self._heap, (group.start, self._sequence, group))

    def _sleep(self, group: _Group[L], until: float) -> None:
        group.queued = True  # what is added meanwhile sleeps, too
        self._sequence += 1
        heapq.heappush(self._sleeping, (until, self._sequence, group))

    def _wake(self, now: float) -> None:
        while self._sleeping and self._sleeping[0][0] <= now:
            group = heapq.heappop(self._sleeping)[2]
            group.queued = False
            self._queue(group)

    def _drop_idle(self, group: _Group[L]) -> None:
        if not group.running and not group.queued and not group.first and not group.later:
            self._groups.pop(group.name, None)
