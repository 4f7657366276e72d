"""Where the sends that arrive go: into a lane, to the store, or nowhere because they are known. Synchronous, no IO."""

from bisect import insort
from collections.abc import Sequence
from typing import Generic, TypeVar

from sender.dispatch.aliases import LaneAliases
from sender.dispatch.fair_queue import FairQueue
from sender.dispatch.holds import Holds
from sender.dispatch.lane_table import LaneTable
from sender.dispatch.loading import Loading
from sender.dispatch.memory import MemoryBudget
from sender.dispatch.model import Item, Lane, Load, LoadBacklog
from sender.dispatch.overflow import Overflow

T = TypeVar("T")


class Arrivals(Generic[T]):
    """Knows the sends in memory by id (`items`), and by id the lanes that expect a retry (`expecting`).

    **Invariants:**
    - Two records for one send are one send: the later attempt counts, and a busy record is left alone.
    - A lane is in the order of its sends' first records, whatever way a send comes.
    """

    def __init__(
        self,
        lanes: dict[str, Lane[T]],
        table: LaneTable[T],
        aliases: LaneAliases,
        memory: MemoryBudget,
        overflow: Overflow[T],
        loading: Loading[T],
        holds: Holds[Lane[T]],
        queue: FairQueue[Lane[T]],
    ) -> None:
        self._lanes = lanes
        self._table = table
        self._aliases = aliases
        self._memory = memory
        self._overflow = overflow
        self._loading = loading
        self._holds = holds
        self._queue = queue
        self.items: dict[str, Item[T]] = {}
        self.expecting: dict[str, Lane[T]] = {}

    def offer(self, item: Item[T]) -> Item[T] | None:
        """Queue a record; returns the record that this makes superfluous, if any (maybe `item` itself)."""
        lane = self.expecting.get(item.id)
        if lane is not None:
            expected = lane.expected
            if expected is None or item.attempt < expected[1]:
                return item
            lane.expected = None
            del self.expecting[item.id]
            self._memory.remove(lane.tenant)
            self._insert(lane, item)
            return None
        present = self.items.get(item.id)
        if present is not None:
            return self._replace(present, item)
        self._assign(item)
        self._insert(self._table.lane(item.lane, item.tenant), item)
        return None

    def park(self, item: Item[T]) -> bool:
        """Whether a record that was read is to be parked instead of offered; then `Overflow.stored` has to follow.

        It is when its lane has a parked tail, behind which it belongs, or when memory is full. In the second case
        `item.backlog` says so, and `Overflow.stored_backlog` has to follow.
        """
        if item.id in self.expecting or item.id in self.items:
            return False
        self._assign(item)
        lane = self._lanes.get(item.lane)
        parked = self._overflow.park(item, lane)
        if parked and lane is not None and not item.bulk:
            self._prioritize(lane)
        return parked

    def loaded(self, load: Load, items: Sequence[Item[T]], *, more: bool, upto: int | None = None) -> list[Item[T]]:
        """Take in the first parked sends of a lane, in order; returns those that are superfluous.

        `more` says that there may be others behind them; `upto` is the order of the last that was looked at.
        """
        lane = self._lanes[load.lane]
        if not self._loading.loaded(lane, load, items[-1].order if upto is None and items else upto):
            items, more = (), True
        superfluous = [item for item in items if not self._take_in(lane, item)]
        if not more:
            self._loading.end_tail(lane, load)
        if not lane.queue:
            self._holds.end_probe(lane)
        self._table.changed(lane)
        return [item for item in superfluous if not self._is_twin(item)]

    def loaded_backlog(self, load: LoadBacklog, items: Sequence[Item[T]], *, more: bool, upto: int) -> list[Item[T]]:
        """Take in the next sends of a tenant's backlog, in order; returns those that are superfluous."""
        self._loading.loaded_backlog(load, more=more, upto=upto)
        superfluous = []
        for item in items:
            lane = self._table.lane(item.lane, item.tenant)
            # A lane that waits has its tail, and a load of the tail brings all that the lane has in the store.
            if lane.tail is None and not self._take_in(lane, item):
                superfluous.append(item)
            self._table.changed(lane)
        self._aliases.backlog_ended(load.tenant)
        return [item for item in superfluous if not self._is_twin(item)]

    def forget(self, item: Item[T]) -> None:
        """The send is no longer in memory."""
        del self.items[item.id]
        self._memory.remove(item.tenant)

    def _prioritize(self, lane: Lane[T]) -> None:
        """The lane has become urgent: it goes before campaigns, in the queue and in a hold."""
        if lane.ready:
            self._queue.add(lane, urgent=True)
        elif lane.held:
            self._holds.prioritize(lane)

    def _assign(self, item: Item[T]) -> None:
        """Have a send go to the lane of the other sends to its recipient."""
        self._put(item, self._aliases.lane_of(item.lane, item.tenant))

    def _put(self, item: Item[T], lane: str) -> None:
        if item.lane != lane:
            item.lane, item.named = lane, item.lane

    def _take_in(self, lane: Lane[T], item: Item[T]) -> bool:
        """Queue a loaded send, unless it is here already or has just ended."""
        if item.id in self.items or item.id in self.expecting or self._overflow.has_ended(item):
            return False
        self._insert(lane, item)
        return True

    def _is_twin(self, item: Item[T]) -> bool:
        """Whether a loaded item is the stored copy of one that was loaded before, and is removed with it."""
        present = self.items.get(item.id)
        return self._overflow.has_ended(item) or (present is not None and present.parked == item.parked)

    def _insert(self, lane: Lane[T], item: Item[T]) -> None:
        # An expected item belongs before everything that waited for it, and its order says so.
        insort(lane.queue, item, key=lambda queued: queued.order)
        if lane.busy is not None and lane.queue[0] is item:
            lane.queue.remove(item)
            lane.queue.insert(1, item)
        self._put(item, lane.name)
        self.items[item.id] = item
        self._memory.add(item.tenant)
        if not item.bulk:
            self._prioritize(lane)
        self._table.changed(lane)

    def _replace(self, present: Item[T], item: Item[T]) -> Item[T]:
        """Let the later of two attempts stand in the lane; returns the other."""
        lane = self._lanes[present.lane]
        if lane.busy is present or item.attempt <= present.attempt:
            return item
        lane.queue[lane.queue.index(present)] = item
        self._put(item, present.lane)
        item.order = present.order
        self.items[item.id] = item
        self._table.changed(lane)
        return present
