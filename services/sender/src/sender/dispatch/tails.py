"""The tails of one session: the parked sends of each lane, behind everything of it in memory. Synchronous, no IO."""

from collections import Counter
from collections.abc import Container, Sequence
from typing import Generic, TypeVar

from sender.dispatch.memory import MemoryBudget
from sender.dispatch.model import Item, Lane, Load, Tail

T = TypeVar("T")


class Tails(Generic[T]):
    """Begins, grows and ends tails, and counts them by tenant. `backlogged` has the tenants with a backlog."""

    def __init__(self, memory: MemoryBudget, backlogged: Container[str]) -> None:
        self._memory = memory
        self._backlogged = backlogged
        self._counts: Counter[str] = Counter()

    def count(self, tenant: str) -> int:
        """How many lanes of a tenant have a tail."""
        return self._counts[tenant]

    def begin(self, lane: Lane[T], due: float, after: int) -> Tail:
        """Give a lane a new tail; `after` is the order before its first send."""
        if lane.tail is None:
            self._counts[lane.tenant] += 1
        lane.tail = Tail(due, after)
        return lane.tail

    def grow(self, lane: Lane[T], items: Sequence[Item[T]]) -> Tail:
        """Add sends of a lane, in order, which are on their way into the store."""
        first = items[0]
        tail = lane.tail
        if tail is None:
            # The backlog may have sends of this lane, too.
            after = -1 if lane.tenant in self._backlogged else first.order - 1
            tail = self.begin(lane, first.due, after)
        elif first.attempt > 0:  # it was tried before those that are parked: it is the head
            tail.due = min(tail.due, first.due)
        tail.after = min(tail.after, first.order - 1)
        tail.lowest = min(tail.lowest, *(item.order for item in items))
        tail.bulk = tail.bulk and all(item.bulk for item in items)
        tail.writing += len(items)
        self._memory.writing += len(items)
        tail.version += 1
        return tail

    def end_load(self, tail: Tail, load: Load, upto: int | None) -> bool:
        """A load has come, up to this order. Returns whether it is still good; else it has to be made again."""
        tail.loading = False
        if tail.after != load.after or (upto is not None and tail.lowest < upto):
            return False  # something was parked in front of them or between them meanwhile
        if upto is not None:
            tail.after, tail.due = upto, 0.0
        return True

    def end(self, lane: Lane[T], load: Load) -> None:
        """This load has brought all of the tail, unless the tail has grown since."""
        if lane.tail is not None and lane.tail.version == load.version:
            lane.tail = None
            self._counts[lane.tenant] -= 1
            if not self._counts[lane.tenant]:
                del self._counts[lane.tenant]
