"""What of one session's lanes is in the store: which sends to park, and which to load when. Synchronous, no IO.

A lane that waits long has a *tail* in the store, behind everything of it that is in memory. What is merely more than a
group may have in hand is its *backlog* (see `backlogs`). While a group has one, what somebody waits for goes by the
tail of its lane, and so past the backlog, but not past what the lane itself has in there.

Times are seconds of one clock that the caller passes in.
"""

from collections import Counter, deque
from collections.abc import Callable, Container, Sequence
from typing import Generic, TypeVar

from sender.dispatch.backlogs import Backlogs
from sender.dispatch.holds import Holds
from sender.dispatch.memory import MemoryBudget
from sender.dispatch.model import Bounds, Item, Lane, Load, LoadBacklog, Tail, is_loadable

T = TypeVar("T")


class Overflow(Generic[T]):
    """Tails and backlogs. `lane_of` makes a lane known by name and group; `changed` is told of lanes to look at."""

    def __init__(
        self,
        bounds: Bounds,
        gates: Holds[Lane[T]],
        lane_of: Callable[[str, str], Lane[T]],
        changed: Callable[[Lane[T]], None],
    ) -> None:
        self._bounds = bounds
        self._gates = gates
        self._lane_of = lane_of
        self._changed = changed
        self.room = MemoryBudget(bounds)
        self._backlogs = Backlogs()
        self._tails: Counter[str] = Counter()
        self._hungry: dict[tuple[str, bool], deque[Lane[T]]] = {}
        self._leaving: list[Item[T]] = []
        self._leftover: set[str] = set()
        self._behind: list[Lane[T]] | None = None

    def park(self, item: Item[T], lane: Lane[T] | None) -> bool:
        """Whether this item, which is not known yet, is to be parked; `lane` is its lane, if that is known."""
        group = item.group
        item.backlog = False
        if lane is not None and (lane.tail is not None or len(lane.queue) >= self._bounds.lane):
            self._grow_tail(lane, [item])
            return True
        retried, backlogged = item.attempt > 0, group in self._backlogs
        if (retried or not backlogged) and self.room.is_free(group, bulk=item.bulk and not retried):
            return False
        # A retry stands before all that its lane has in the backlog, and what somebody waits for goes past the others.
        if retried or (backlogged and not item.bulk and self._tails[group] < self._bounds.group):
            self._grow_tail(self._lane_of(item.lane, group), [item])
            return True
        item.backlog = True
        self._backlogs.grow(group)
        self.room.writing += 1
        return True

    def stored(self, lane: str, count: int) -> None:
        """So many of the lane's sends that were to be parked are in the store now."""
        self.room.writing -= count
        parked = self._lane_of(lane, "")
        if parked.tail is not None:
            parked.tail.writing -= count
        self._changed(parked)

    def stored_backlog(self, group: str, count: int, last: int) -> None:
        """So many of a group's sends that were to be parked are in its backlog now, up to this order."""
        self.room.writing -= count
        self._backlogs.stored(group, count, last)

    def leaving(self) -> list[Item[T]]:
        """What has to be parked because it waits long: hand it over once, and say `stored` when it is done."""
        leaving, self._leaving = self._leaving, []
        return leaving

    def fall_behind(self) -> None:
        """The store has sends that come after some which are still to be read: load none until `caught_up`."""
        self._behind = []

    def caught_up(self) -> None:
        """All that comes before what the store had at the beginning has been read (and stored, or is in memory)."""
        lanes, self._behind = self._behind or [], None
        for lane in lanes:
            self._changed(lane)

    @property
    def backlogs(self) -> Container[str]:
        """The groups that have one."""
        return self._backlogs

    @property
    def is_behind(self) -> bool:
        """Whether `caught_up` has yet to be said."""
        return self._behind is not None

    def mark(self, lane: str, group: str, due: float) -> None:
        """The store has sends of this lane that wait (known when a session begins)."""
        marked = self._lane_of(lane, group)
        # It may be a campaign's, or what went past one: nobody knows any more.
        self._begin_tail(marked, due, after=-1).bulk = False
        self._changed(marked)

    def mark_backlog(self, group: str, last: int) -> None:
        """The store has a backlog of this group, up to this order (known when a session begins)."""
        self._backlogs.known(group, last)

    def leaves_over(self, copy: str) -> None:
        """A loaded send has ended; its copy (named by its token) is in the store until `removed`."""
        self._leftover.add(copy)

    def removed(self, copy: str) -> None:
        """The copy in the store is gone."""
        self._leftover.discard(copy)

    def is_leftover(self, item: Item[T]) -> bool:
        """Whether a loaded item has just ended."""
        return item.parked in self._leftover

    def next_due(self) -> float | None:
        """When a backlog may be read on; None when only an event can bring that."""
        return min((self._gates.until(group) for group in self._backlogs if self._is_readable(group)), default=None)

    def loaded(self, lane: Lane[T], load: Load, upto: int | None) -> bool:
        """A load of the lane's tail has come, up to this order; whether it is still good, or has to be made again."""
        tail = lane.tail
        assert tail is not None  # noqa: S101  # a tail goes only here
        tail.loading = False
        self.room.unexpect(lane.group, self._bounds.load)
        if tail.after != load.after or (upto is not None and tail.lowest < upto):
            return False  # something was parked in front of them or between them meanwhile
        if upto is not None:
            tail.after, tail.due = upto, 0.0
        return True

    def all_loaded(self, lane: Lane[T], load: Load) -> None:
        """There was nothing behind what this load has brought."""
        if lane.tail is not None and lane.tail.version == load.version:
            self._end_tail(lane)

    def loaded_backlog(self, load: LoadBacklog, *, more: bool, upto: int) -> None:
        """A load of a backlog has come, up to this order."""
        self.room.unexpect(load.group, load.limit)
        self._backlogs.end(load.group, load.version, upto, more=more)

    def take_tail(self, lane: Lane[T], now: float) -> Load | None:
        """The load of a lane's tail, when its time has come and there is room."""
        tail = lane.tail
        if tail is None or not is_loadable(tail) or tail.due > now:
            return None
        if self._behind is not None:
            self._behind.append(lane)
            return None
        # Before the gate: a probe that waits for room would wait for those that wait for the probe.
        if not self.room.is_free(lane.group, bulk=tail.bulk):
            self._hungry.setdefault((lane.group, tail.bulk), deque()).append(lane)
            return None
        if not self._gates.passes(lane, now):
            return None
        tail.loading, tail.lowest = True, float("inf")
        self.room.expect(lane.group, self._bounds.load)
        return Load(lane.name, tail.after, tail.version)

    def feed(self) -> bool:
        """Where there is room, the next lane that waits for it may load, group by group in turn."""
        for key in [(group, bulk) for group, bulk in self._hungry if self.room.is_free(group, bulk=bulk)]:
            lanes = self._hungry.pop(key)
            fed = self._first_hungry(lanes)
            if lanes:
                self._hungry[key] = lanes
            if fed is not None:
                self._changed(fed)
                return True
        return False

    def _first_hungry(self, lanes: deque[Lane[T]]) -> Lane[T] | None:
        """The first that still wants to load; those before it have found another way."""
        while lanes:
            lane = lanes.popleft()
            idle = not lane.queue and lane.busy is None and lane.expected is None and not lane.held
            if idle and is_loadable(lane.tail):
                return lane
        return None

    def read_on(self, now: float) -> LoadBacklog | None:
        """The next of a backlog whose group may go on and has room."""
        for group in self._backlogs:
            if self._is_readable(group) and self._gates.wait(group, now) <= 0:
                after, upto, version = self._backlogs.begin(group)
                limit = min(self._bounds.chunk, self._bounds.bulk)
                self.room.expect(group, limit)
                return LoadBacklog(group, after, upto, version, limit)
        return None

    def _is_readable(self, group: str) -> bool:
        return (
            self._behind is None
            and self._backlogs.readable(group)
            and self.room.is_free(group, bulk=True)
            and self._tails[group] < self._bounds.group
        )

    def sweep(self, lane: Lane[T]) -> None:
        """Have everything of a lane that waits parked, in front of what is."""
        items, lane.queue = lane.queue, []
        for item in items:
            item.backlog = False
        self._grow_tail(lane, items).due = items[0].due
        self._leaving.extend(items)

    def _grow_tail(self, lane: Lane[T], items: Sequence[Item[T]]) -> Tail:
        first = items[0]
        tail = lane.tail
        if tail is None:
            # The backlog may have some of this lane, too.
            after = -1 if lane.group in self._backlogs else first.order - 1
            tail = self._begin_tail(lane, first.due, after)
        elif first.attempt > 0:  # it was tried before those that are parked: it is the head
            tail.due = min(tail.due, first.due)
        tail.after = min(tail.after, first.order - 1)
        tail.lowest = min(tail.lowest, *(item.order for item in items))
        tail.bulk = tail.bulk and all(item.bulk for item in items)
        tail.writing += len(items)
        self.room.writing += len(items)
        tail.version += 1
        return tail

    def _begin_tail(self, lane: Lane[T], due: float, after: int) -> Tail:
        if lane.tail is None:
            self._tails[lane.group] += 1
        lane.tail = Tail(due, after)
        return lane.tail

    def _end_tail(self, lane: Lane[T]) -> None:
        lane.tail = None
        self._tails[lane.group] -= 1
        if not self._tails[lane.group]:
            del self._tails[lane.group]
