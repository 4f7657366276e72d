"""Lanes: one message at a time per conversation, in order, however long one of them waits. Synchronous, no IO.

A lane is a queue. Its head may be *busy* (being sent), *due* later (deferred, in doubt, waiting for a retry), or
*expected*: its record is finished and its successor will come through a retry topic. Meanwhile the others of the lane
wait, and other lanes flow. A *group* of lanes (the conversations of one number) can be held as a whole; when the hold
ends, one lane goes ahead as a probe, and the rest follow when it did well.

Times are seconds of one clock that the caller passes in.
"""

import heapq
from bisect import insort
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Item(Generic[T]):
    """One record. `id` names the send: several records may carry the same one, `attempt` says which is the latest.

    `order` is the place in the lane (the offset of the record that first asked for the send).
    """

    id: str
    lane: str
    group: str
    order: int
    attempt: int
    partition: Hashable
    offset: int
    payload: T
    due: float = 0.0
    strikes: int = 0


@dataclass(eq=False, slots=True)
class _Lane(Generic[T]):
    name: str
    group: str
    queue: list[Item[T]] = field(default_factory=list)
    busy: Item[T] | None = None
    expected: tuple[str, int] | None = None
    held: bool = False


@dataclass(eq=False, slots=True)
class _Gate(Generic[T]):
    until: float
    strikes: int = 0
    probe: str | None = None
    waiting: deque[_Lane[T]] = field(default_factory=deque)


class Lanes(Generic[T]):
    """All lanes of one session."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane[T]] = {}
        self._items: dict[str, Item[T]] = {}
        self._expecting: dict[str, _Lane[T]] = {}
        self._gates: dict[str, _Gate[T]] = {}
        self._timers: list[tuple[float, int, _Lane[T]]] = []
        self._sequence = 0

    @property
    def size(self) -> int:
        """How many sends are in hand: queued, busy, waiting or expected back."""
        return len(self._items) + len(self._expecting)

    def offer(self, item: Item[T]) -> Item[T] | None:
        """Queue a record; returns the record that has thereby become superfluous, if any (maybe `item` itself).

        Two records for one send are one send: the later attempt speaks for it, and what is busy is left alone.
        """
        lane = self._expecting.get(item.id)
        if lane is not None:
            expected = lane.expected
            if expected is None or item.attempt < expected[1]:
                return item
            lane.expected = None
            del self._expecting[item.id]
            self._insert(lane, item)
            return None
        present = self._items.get(item.id)
        if present is not None:
            return self._prefer(present, item)
        self._insert(self._lane(item), item)
        return None

    def take(self, now: float) -> Item[T] | None:
        """The next head that may go, now busy; None when there is none at this time."""
        self._let_probes_go(now)
        while self._timers and self._timers[0][0] <= now:
            _, _, lane = heapq.heappop(self._timers)
            if lane.busy is not None or lane.held or lane.expected is not None or not lane.queue:
                continue
            head = lane.queue[0]
            if head.due > now:
                continue  # another timer of this lane is set for then
            if self._passes(lane, head, now):
                lane.busy = head
                return head
        return None

    def finish(self, item: Item[T]) -> None:
        """The send has ended, or its record is done with: the next of the lane may go."""
        lane = self._release(item)
        self._set_timer(lane)

    def expect(self, item: Item[T], attempt: int) -> None:
        """The record is done with, and one for `attempt` will come: the lane waits for it."""
        lane = self._release(item)
        lane.expected = (item.id, attempt)
        self._expecting[item.id] = lane

    def block(self, item: Item[T], until: float) -> None:
        """The send waits until then, and its lane with it."""
        lane = self._lanes[item.lane]
        lane.busy = None
        item.due = until
        self._end_probe(item)
        self._set_timer(lane)

    def wake(self, send: str, now: float) -> None:
        """End the wait of a blocked send."""
        item = self._items.get(send)
        if item is None:
            return
        lane = self._lanes[item.lane]
        if lane.busy is not item:
            item.due = min(item.due, now)
            self._set_timer(lane)

    def hold(self, group: str, now: float, base: float, cap: float) -> None:
        """Let no lane of the group go for `base` seconds, doubled each time in a row, at most `cap`.

        While it is held, further failures of calls already under way do not count as times.
        """
        gate = self._gates.get(group)
        if gate is None:
            gate = self._gates[group] = _Gate(until=now)
        if now >= gate.until:
            gate.until = now + min(cap, base * 2**gate.strikes)
            gate.strikes = min(gate.strikes + 1, 30)
        else:
            gate.until = max(gate.until, now + base)

    def release(self, group: str, now: float) -> None:
        """Something changed: try the group again now, with one lane first."""
        gate = self._gates.get(group)
        if gate is not None:
            gate.until = min(gate.until, now)

    def open(self, group: str) -> None:
        """The group does well: let all of its lanes go."""
        gate = self._gates.pop(group, None)
        for lane in gate.waiting if gate else ():
            lane.held = False
            self._set_timer(lane)

    def next_due(self) -> float | None:
        """When `take` may have something next; None when only an event can bring it."""
        gates = [gate.until for gate in self._gates.values() if gate.waiting and gate.probe is None]
        times = [*gates, self._timers[0][0]] if self._timers else gates
        return min(times, default=None)

    def _lane(self, item: Item[T]) -> _Lane[T]:
        lane = self._lanes.get(item.lane)
        if lane is None:
            lane = self._lanes[item.lane] = _Lane(item.lane, item.group)
        return lane

    def _insert(self, lane: _Lane[T], item: Item[T]) -> None:
        # An expected item belongs before everything that waited for it, and its order says so.
        insort(lane.queue, item, key=lambda queued: queued.order)
        if lane.busy is not None and lane.queue[0] is item:
            lane.queue.remove(item)
            lane.queue.insert(1, item)
        item.lane = lane.name
        self._items[item.id] = item
        self._set_timer(lane)

    def _prefer(self, present: Item[T], item: Item[T]) -> Item[T]:
        lane = self._lanes[present.lane]
        if lane.busy is present or item.attempt <= present.attempt:
            return item
        lane.queue[lane.queue.index(present)] = item
        item.lane, item.order = present.lane, present.order
        self._items[item.id] = item
        self._set_timer(lane)
        return present

    def _release(self, item: Item[T]) -> _Lane[T]:
        lane = self._lanes[item.lane]
        lane.busy = None
        lane.queue.remove(item)
        del self._items[item.id]
        self._end_probe(item)
        return lane

    def _set_timer(self, lane: _Lane[T]) -> None:
        if lane.queue and lane.busy is None and lane.expected is None and not lane.held:
            self._sequence += 1
            heapq.heappush(self._timers, (lane.queue[0].due, self._sequence, lane))
        elif not lane.queue and lane.busy is None and lane.expected is None:
            self._lanes.pop(lane.name, None)

    def _passes(self, lane: _Lane[T], head: Item[T], now: float) -> bool:
        gate = self._gates.get(lane.group)
        if gate is None:
            return True
        if now >= gate.until and gate.probe is None:
            gate.probe = head.id
            return True
        lane.held = True
        gate.waiting.append(lane)
        return False

    def _let_probes_go(self, now: float) -> None:
        for gate in self._gates.values():
            if gate.waiting and gate.probe is None and now >= gate.until:
                lane = gate.waiting.popleft()
                lane.held = False
                self._set_timer(lane)

    def _end_probe(self, item: Item[T]) -> None:
        gate = self._gates.get(item.group)
        if gate is not None and gate.probe == item.id:
            gate.probe = None
