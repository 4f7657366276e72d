"""Which lane goes next: a fair queue of tenants, by share and rate. Synchronous, no IO.

Tenants share a sender by *start-time fair queueing* (Goyal, Vin, Cheng, 1996): each send moves its tenant's virtual
time on by one over the tenant's weight, and the tenant that is furthest behind goes next. A tenant that was idle
begins at the present virtual time, so it has no debts and no credit. Within a tenant, lanes with a conversation's send
go before campaigns.

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
    """What the queue knows of a lane. `ready` says that it waits in the queue; only the queue changes it."""

    tenant: str
    ready: bool


class Rate(Protocol):
    """When the next send of a tenant may go."""

    def ready_at(self, now: float) -> float:
        """Now, or later."""

    def reserve(self) -> None:
        """One send is about to go."""


L = TypeVar("L", bound=Queueable)


class Share(msgspec.Struct, frozen=True):
    """A tenant's part: its weight, its rate (None: no limit), and how many of its sends may be under way at once."""

    weight: float = 1.0
    rate: Rate | None = None
    max_running: int = 1_000_000


class VirtualClock:
    """The virtual times of all tenants of a process. Sessions share them, so they can be compared.

    `share_of` gives the share of a tenant.
    """

    def __init__(self, share_of: Callable[[str], Share] = lambda _: Share()) -> None:
        self.share_of = share_of
        self._now = 0.0
        self._ends: dict[str, float] = {}
        self._prune_at = _MANY

    def start(self, tenant: str) -> float:
        """The virtual time at which the tenant's next send starts, if it is ready now."""
        return max(self._now, self._ends.get(tenant, 0.0))

    def charge(self, tenant: str, start: float) -> None:
        """Charge the tenant for one send, whose virtual start is `start`."""
        self._now = max(self._now, start)
        self._ends[tenant] = max(start, self._ends.get(tenant, 0.0)) + 1.0 / self.share_of(tenant).weight
        if len(self._ends) > self._prune_at:
            self._ends = {name: end for name, end in self._ends.items() if end > self._now}
            self._prune_at = max(_MANY, 2 * len(self._ends))  # so pruning is rare with many tenants, too


@dataclass(eq=False, slots=True)
class _TenantQueue(Generic[L]):
    name: str
    urgent: deque[L] = field(default_factory=deque)
    campaigns: deque[L] = field(default_factory=deque)
    running: int = 0
    start: float = 0.0
    queued: bool = False

    def pop(self) -> L | None:
        """The next lane. A lane can be in both queues; an entry is skipped when its lane went by the other one."""
        for lanes in (self.urgent, self.campaigns):
            while lanes:
                lane = lanes.popleft()
                if lane.ready:
                    lane.ready = False
                    return lane
        return None


class FairQueue(Generic[L]):
    """The lanes of one session that may go, and wait only for their turn."""

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self._clock = clock or VirtualClock()
        self._tenants: dict[str, _TenantQueue[L]] = {}
        self._heap: list[tuple[float, int, _TenantQueue[L]]] = []
        self._sleeping: list[tuple[float, int, _TenantQueue[L]]] = []
        self._sequence = 0

    def add(self, lane: L, *, urgent: bool) -> None:
        """Queue a lane. It may be added again as `urgent`, to go before campaigns after all."""
        queue = self._tenants.get(lane.tenant)
        if queue is None:
            queue = self._tenants[lane.tenant] = _TenantQueue(lane.tenant)
        if not lane.ready or urgent:
            (queue.urgent if urgent else queue.campaigns).append(lane)
        lane.ready = True
        self._queue(queue)

    def next(self, now: float) -> L | None:
        """The lane whose turn it is. The caller calls `started` if it is really used; if it is not, nothing is lost."""
        self._wake(now)
        while self._heap:
            queue = self._heap[0][2]
            share = self._clock.share_of(queue.name)
            ready_at = share.rate.ready_at(now) if share.rate is not None else now
            if queue.running >= share.max_running or ready_at > now:
                heapq.heappop(self._heap)
                queue.queued = False
                if queue.running < share.max_running:
                    self._sleep(queue, ready_at)
                continue
            lane = queue.pop()
            if lane is not None:
                return lane
            heapq.heappop(self._heap)
            queue.queued = False
            self._drop_idle(queue)
        return None

    def started(self, name: str, *, paced: bool) -> None:
        """A send of the lane that `next` gave starts now."""
        queue = self._tenants[name]
        queue.running += 1
        self._clock.charge(name, queue.start)
        rate = self._clock.share_of(name).rate
        if paced and rate is not None:
            rate.reserve()
        if queue.queued:  # it is the first of the heap: queue it anew, at its later virtual time
            heapq.heappop(self._heap)
            queue.queued = False
            self._queue(queue)

    def ended(self, name: str) -> None:
        """A send of the tenant is no longer under way."""
        queue = self._tenants.get(name)
        if queue is None:
            return
        queue.running -= 1
        self._queue(queue)
        self._drop_idle(queue)

    def next_due(self) -> float | None:
        """When a tenant that is at its rate limit may go on; None when none is."""
        return self._sleeping[0][0] if self._sleeping else None

    def urgency(self) -> float:
        """The virtual time of the next send. The smallest is the most urgent; `NEVER` when nothing is ready."""
        return self._heap[0][0] if self._heap else NEVER

    def _queue(self, queue: _TenantQueue[L]) -> None:
        if queue.queued or not (queue.urgent or queue.campaigns):
            return
        queue.start = self._clock.start(queue.name)
        queue.queued = True
        self._sequence += 1
        heapq.heappush(self._heap, (queue.start, self._sequence, queue))

    def _sleep(self, queue: _TenantQueue[L], until: float) -> None:
        queue.queued = True  # a lane that is added meanwhile waits, too
        self._sequence += 1
        heapq.heappush(self._sleeping, (until, self._sequence, queue))

    def _wake(self, now: float) -> None:
        while self._sleeping and self._sleeping[0][0] <= now:
            queue = heapq.heappop(self._sleeping)[2]
            queue.queued = False
            self._queue(queue)

    def _drop_idle(self, queue: _TenantQueue[L]) -> None:
        if not queue.running and not queue.queued and not queue.urgent and not queue.campaigns:
            self._tenants.pop(queue.name, None)
