"""Which sends of one session are parked, because they wait long or memory is full. Synchronous, no IO.

A lane that waits long has a *tail* in the store, behind everything of it that is in memory. Sends beyond a tenant's
memory limit form its *backlog* (see `backlogs`). While a tenant has a backlog, new conversation messages are parked in
the tail of their lane. They overtake the backlog, but never an earlier send of their own lane.

What is loaded again, and when, is decided in `loading`.
"""

from typing import Generic, TypeVar

from sender.dispatch.backlogs import Backlogs
from sender.dispatch.lane_table import LaneTable
from sender.dispatch.memory import MemoryBudget
from sender.dispatch.model import Bounds, Item, Lane
from sender.dispatch.tails import Tails

T = TypeVar("T")


class Overflow(Generic[T]):
    """Decides what to park, and follows what is in the store. `Parking` does the writes and says when they are done.

    `backlogs` may be read by others, and is changed here and by `Loading` only.
    """

    def __init__(
        self, bounds: Bounds, memory: MemoryBudget, backlogs: Backlogs, tails: Tails[T], table: LaneTable[T]
    ) -> None:
        self._bounds = bounds
        self._memory = memory
        self.backlogs = backlogs
        self._tails = tails
        self._table = table
        self._leaving: list[Item[T]] = []
        self._ended_copies: set[str] = set()

    def park(self, item: Item[T], lane: Lane[T] | None) -> bool:
        """Whether this item, which is not known yet, is to be parked; `lane` is its lane, if that is known."""
        tenant = item.tenant
        item.backlog = False
        if lane is not None and (lane.tail is not None or len(lane.queue) >= self._bounds.lane):
            self._tails.grow(lane, [item])
            return True
        retried, backlogged = item.attempt > 0, tenant in self.backlogs
        if (retried or not backlogged) and self._memory.has_space(tenant, bulk=item.bulk and not retried):
            return False
        # A retry stands before all that its lane has in the backlog; a conversation's send overtakes the backlog.
        if retried or (backlogged and not item.bulk and self._tails.count(tenant) < self._bounds.tenant):
            self._tails.grow(self._table.lane(item.lane, tenant), [item])
            return True
        item.backlog = True
        self.backlogs.grow(tenant)
        self._memory.writing += 1
        return True

    def park_queue(self, lane: Lane[T]) -> None:
        """Have all sends of a lane in memory parked, in front of those in its tail."""
        items, lane.queue = lane.queue, []
        for item in items:
            item.backlog = False
        self._tails.grow(lane, items).due = items[0].due
        self._leaving.extend(items)

    def leaving(self) -> list[Item[T]]:
        """The sends to park because they wait long. Each is returned once; `stored` follows when it is parked."""
        leaving, self._leaving = self._leaving, []
        return leaving

    def stored(self, lane: str, count: int) -> None:
        """This many of the lane's sends that were to be parked are in the store now."""
        self._memory.writing -= count
        parked = self._table.lane(lane, "")
        if parked.tail is not None:
            parked.tail.writing -= count
        self._table.changed(parked)

    def stored_backlog(self, tenant: str, count: int, last: int) -> None:
        """This many of a tenant's sends that were to be parked are in its backlog now, up to this order."""
        self._memory.writing -= count
        self.backlogs.stored(tenant, count, last)

    def restore_tail(self, lane: str, tenant: str, due: float) -> None:
        """The store has parked sends of this lane from before this session."""
        restored = self._table.lane(lane, tenant)
        # The store does not say whether all of them are a campaign's, so the tail counts as urgent.
        self._tails.begin(restored, due, after=-1).bulk = False
        self._table.changed(restored)

    def restore_backlog(self, tenant: str, last: int) -> None:
        """The store has a backlog of this tenant from before this session, up to this order."""
        self.backlogs.restore(tenant, last)

    def copy_ended(self, copy: str) -> None:
        """A loaded send has ended; its copy (named by its token) is in the store until `copy_removed`."""
        self._ended_copies.add(copy)

    def copy_removed(self, copy: str) -> None:
        """The copy in the store is gone."""
        self._ended_copies.discard(copy)

    def has_ended(self, item: Item[T]) -> bool:
        """Whether a loaded item is the stored copy of a send that has just ended."""
        return item.parked in self._ended_copies
