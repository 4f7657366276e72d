"""The lanes of one session by name, and the time at which each is looked at next. Synchronous, no IO."""

import heapq
from typing import Generic, TypeVar

from sender.dispatch.aliases import LaneAliases
from sender.dispatch.model import Lane, is_loadable

T = TypeVar("T")


class LaneTable(Generic[T]):
    """A lane exists from its first send until it is empty, in memory and in the store."""

    def __init__(self, lanes: dict[str, Lane[T]], aliases: LaneAliases) -> None:
        self._lanes = lanes
        self._aliases = aliases
        self._timers: list[tuple[float, int, Lane[T]]] = []
        self._sequence = 0

    def lane(self, name: str, tenant: str) -> Lane[T]:
        """The lane of this name, which is made when there is none."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(name, tenant)
        return lane

    def changed(self, lane: Lane[T]) -> None:
        """Look at the lane when its head, or its tail, is due; forget it when it is empty."""
        if lane.busy is not None or lane.expected is not None:
            return
        tail = lane.tail
        if lane.queue:
            due = lane.queue[0].due
        elif tail is not None:
            due = tail.due
        else:
            if self._lanes.get(lane.name) is lane:
                del self._lanes[lane.name]
                self._aliases.lane_emptied(lane.name)
            return
        if not lane.held and (lane.queue or is_loadable(tail)):
            self._sequence += 1
            heapq.heappush(self._timers, (due, self._sequence, lane))

    def pop_due(self, now: float) -> Lane[T] | None:
        """The next lane whose time has come, and which neither is busy, nor held, nor expects a retry."""
        while self._timers and self._timers[0][0] <= now:
            lane = heapq.heappop(self._timers)[2]
            if lane.busy is None and not lane.held and lane.expected is None:
                return lane
        return None

    def next_due(self) -> float | None:
        """When the next lane is due; None when there is none."""
        return self._timers[0][0] if self._timers else None
