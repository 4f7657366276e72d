"""Which parked sends of one session are loaded again, and when. Synchronous, no IO.

Times are seconds of one clock that the caller passes in.
"""

from collections import deque
from typing import Generic, TypeVar

from sender.dispatch.backlogs import Backlogs
from sender.dispatch.holds import Holds
from sender.dispatch.lane_table import LaneTable
from sender.dispatch.memory import MemoryBudget
from sender.dispatch.model import Bounds, Lane, Load, LoadBacklog, is_loadable
from sender.dispatch.tails import Tails

T = TypeVar("T")


class Loading(Generic[T]):
    """Decides what to load; `Parking` does it.

    **Invariants:**
    - Nothing is loaded between `fall_behind` and `caught_up`: records that come before it may still be unread.
    - A load is made only when there is memory for it, and memory is reserved while it is under way.
    - A tail asks for memory before it asks for its hold. Otherwise a probe that waits for memory would wait for lanes
      that wait for the probe.
    """

    def __init__(
        self,
        bounds: Bounds,
        memory: MemoryBudget,
        backlogs: Backlogs,
        tails: Tails[T],
        holds: Holds[Lane[T]],
        table: LaneTable[T],
    ) -> None:
        self._bounds = bounds
        self._memory = memory
        self._backlogs = backlogs
        self._tails = tails
        self._holds = holds
        self._table = table
        self._waiting: dict[tuple[str, bool], deque[Lane[T]]] = {}
        self._behind: list[Lane[T]] | None = None

    def fall_behind(self) -> None:
        """The store has sends that come after records which are still to be read: load none until `caught_up`."""
        self._behind = []

    def caught_up(self) -> None:
        """All records that come before those sends have been read, and are stored or in memory."""
        lanes, self._behind = self._behind or [], None
        for lane in lanes:
            self._table.changed(lane)

    @property
    def is_behind(self) -> bool:
        """Whether `caught_up` is still to come."""
        return self._behind is not None

    def take_tail(self, lane: Lane[T], now: float) -> Load | None:
        """The load of a lane's tail, when its time has come and there is memory for it."""
        tail = lane.tail
        if tail is None or not is_loadable(tail) or tail.due > now:
            return None
        if self._behind is not None:
            self._behind.append(lane)
            return None
        if not self._memory.has_space(lane.tenant, bulk=tail.bulk):
            self._waiting.setdefault((lane.tenant, tail.bulk), deque()).append(lane)
            return None
        if not self._holds.passes(lane, now):
            return None
        tail.loading, tail.lowest = True, float("inf")
        self._memory.reserve(lane.tenant, self._bounds.load)
        return Load(lane.name, tail.after, tail.version)

    def take_backlog(self, now: float) -> LoadBacklog | None:
        """The next load of a backlog whose tenant is not held and has memory."""
        for tenant in self._backlogs:
            if self._is_readable(tenant) and self._holds.wait(tenant, now) <= 0:
                after, upto, version = self._backlogs.begin_read(tenant)
                limit = min(self._bounds.chunk, self._bounds.bulk)
                self._memory.reserve(tenant, limit)
                return LoadBacklog(tenant, after, upto, version, limit)
        return None

    def loaded(self, lane: Lane[T], load: Load, upto: int | None) -> bool:
        """A load of the lane's tail has come, up to this order. Returns whether it is still good."""
        assert lane.tail is not None  # noqa: S101  # a tail ends only with its last load
        self._memory.unreserve(lane.tenant, self._bounds.load)
        return self._tails.end_load(lane.tail, load, upto)

    def end_tail(self, lane: Lane[T], load: Load) -> None:
        """This load has brought everything behind it, too."""
        self._tails.end(lane, load)

    def loaded_backlog(self, load: LoadBacklog, *, more: bool, upto: int) -> None:
        """A load of a backlog has come, up to this order."""
        self._memory.unreserve(load.tenant, load.limit)
        self._backlogs.end_read(load.tenant, load.version, upto, more=more)

    def wake_waiting(self) -> bool:
        """Let the next lane load that waits for memory, where there is some now; tenants take turns."""
        for key in [(tenant, bulk) for tenant, bulk in self._waiting if self._memory.has_space(tenant, bulk=bulk)]:
            lanes = self._waiting.pop(key)
            woken = self._first_waiting(lanes)
            if lanes:
                self._waiting[key] = lanes
            if woken is not None:
                self._table.changed(woken)
                return True
        return False

    def next_due(self) -> float | None:
        """When a backlog may be read on; None when only an event can bring that."""
        return min((self._holds.until(tenant) for tenant in self._backlogs if self._is_readable(tenant)), default=None)

    def _first_waiting(self, lanes: deque[Lane[T]]) -> Lane[T] | None:
        """The first lane that still has to be loaded; those before it have been loaded another way."""
        while lanes:
            lane = lanes.popleft()
            idle = not lane.queue and lane.busy is None and lane.expected is None and not lane.held
            if idle and is_loadable(lane.tail):
                return lane
        return None

    def _is_readable(self, tenant: str) -> bool:
        return (
            self._behind is None
            and self._backlogs.is_readable(tenant)
            and self._memory.has_space(tenant, bulk=True)
            and self._tails.count(tenant) < self._bounds.tenant
        )
