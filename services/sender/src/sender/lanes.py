"""Lanes: one message at a time per conversation, in order, however long one of them waits. Synchronous, no IO.

A lane is a queue. Its head may be *busy* (being sent), *due* later (deferred, in doubt, waiting for a retry), or
*expected*: its record is finished and its successor will come through a retry topic. Meanwhile the others of the lane
wait, and other lanes flow. A *group* of lanes (the conversations of one number) can be held as a whole; when the hold
ends, one lane goes ahead as a probe, and the rest follow when it did well.

Memory is bounded: what waits long, and what is more than a lane, a group or all of them may have in hand, is *parked*.
A parked lane has a tail in the store behind everything that is in memory; it is loaded again, in order, when its time
has come and there is room. These rules say only what to park and what to load; the session does it.

Times are seconds of one clock that the caller passes in.
"""

import heapq
from bisect import insort
from collections import Counter, deque
from collections.abc import Sequence
from typing import Generic, TypeVar

from sender.gates import Gates
from sender.lane import Bounds, Item, Lane, Load, Tail, is_loadable

T = TypeVar("T")


class Lanes(Generic[T]):
    """All lanes of one session."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._lanes: dict[str, Lane[T]] = {}
        self._items: dict[str, Item[T]] = {}
        self._in_hand: Counter[str] = Counter()
        self._expecting: dict[str, Lane[T]] = {}
        self._gates: Gates[Lane[T]] = Gates()
        self._timers: list[tuple[float, int, Lane[T]]] = []
        self._hungry: dict[str, deque[Lane[T]]] = {}
        self._leaving: list[Item[T]] = []
        self._loads: Counter[str] = Counter()
        self._loading = 0
        self._writing = 0
        self._sequence = 0

    @property
    def size(self) -> int:
        """How many sends are in memory: queued, busy, waiting or expected back."""
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
        self._insert(self._lane(item.lane, item.group), item)
        return None

    def park(self, item: Item[T]) -> bool:
        """Whether a record that was read is to be parked instead of offered; then `stored` has to follow.

        It is when its lane has a parked tail, behind which it belongs, or when there is no room for it.
        """
        if item.id in self._expecting or item.id in self._items:
            return False
        lane, bounds = self._lanes.get(item.lane), self._bounds
        if lane is None or lane.tail is None:
            crowded = lane is not None and len(lane.queue) >= bounds.lane
            full = self._in_hand[item.group] >= bounds.group or self.size + self._writing >= bounds.total
            if not crowded and not full:
                return False
        self._grow_tail(self._lane(item.lane, item.group), [item])
        return True

    def stored(self, lane: str, count: int) -> None:
        """So many of the lane's sends that were to be parked are in the store now."""
        self._writing -= count
        parked = self._lanes[lane]
        if parked.tail is not None:
            parked.tail.writing -= count
        self._set_timer(parked)

    def leaving(self) -> list[Item[T]]:
        """What has to be parked because it waits long: hand it over once, and say `stored` when it is done."""
        leaving, self._leaving = self._leaving, []
        return leaving

    def mark(self, lane: str, group: str, due: float) -> None:
        """The store has sends of this lane (known when a session begins)."""
        marked = self._lane(lane, group)
        marked.tail = Tail(due, after=-1)
        self._set_timer(marked)

    def loaded(self, load: Load, items: Sequence[Item[T]], *, more: bool, upto: int | None = None) -> list[Item[T]]:
        """The first parked sends of a lane, in order; returns those that are superfluous.

        `more` says that there may be others behind them; `upto` is the order of the last that was looked at.
        """
        lane = self._lanes[load.lane]
        tail = lane.tail
        assert tail is not None  # noqa: S101  # a tail goes only here
        tail.loading = False
        self._expect_loads(lane.group, -1)
        last = items[-1].order if items and upto is None else upto
        if tail.after != load.after or (last is not None and tail.lowest < last):
            items, more = (), True  # something was parked in front of them or between them meanwhile: load again
        elif last is not None:
            tail.after, tail.due = last, 0.0
        known = [item for item in items if item.id in self._items or item.id in self._expecting]
        for item in items:
            if item not in known:
                self._insert(lane, item)
        if not more and tail.version == load.version:
            lane.tail = None
        if not lane.queue:
            self._gates.end_probe(lane)
        self._set_timer(lane)
        return known

    def take(self, now: float) -> Item[T] | Load | None:
        """The next head that may go, now busy, or the next lane to load; None when there is none at this time."""
        for lane in self._gates.let_go(now):
            self._set_timer(lane)
        while True:
            while self._timers and self._timers[0][0] <= now:
                _, _, lane = heapq.heappop(self._timers)
                if lane.busy is not None or lane.held or lane.expected is not None:
                    continue
                found = self._take_head(lane, now) if lane.queue else self._take_tail(lane, now)
                if found is not None:
                    return found
            # Asked for last, and until it is used: a lane that was let in may turn out to have to wait.
            if not self._feed():
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

    def block(self, item: Item[T], until: float, now: float) -> None:
        """The send waits until then, and its lane with it; in the store, when that is long."""
        lane = self._lanes[item.lane]
        lane.busy = None
        item.due = until
        self._gates.end_probe(lane)
        if until - now > self._bounds.long_seconds:
            self._sweep(lane)
        self._set_timer(lane)

    def wake(self, send: str, lane: str, now: float) -> None:
        """End the wait of a blocked send, the head of its lane."""
        item, waiting = self._items.get(send), self._lanes.get(lane)
        if waiting is None:
            return
        if item is not None and waiting.busy is not item:
            item.due = min(item.due, now)
        elif item is None and waiting.tail is not None:
            waiting.tail.due = min(waiting.tail.due, now)
        self._set_timer(waiting)

    def hold(self, group: str, now: float, base: float, cap: float) -> None:
        """Let no lane of the group go for `base` seconds, doubled each time in a row, at most `cap`."""
        self._gates.hold(group, now, base, cap)
        if self._gates.wait(group, now) > self._bounds.long_seconds:
            for lane in self._gates.waiting(group):  # those that came when it was to be a short one
                if lane.queue:
                    self._sweep(lane)

    def release(self, group: str, now: float) -> None:
        """Something changed: try the group again now, with one lane first."""
        self._gates.release(group, now)

    def open(self, group: str) -> None:
        """The group does well: let all of its lanes go."""
        for lane in self._gates.open(group):
            self._set_timer(lane)

    def next_due(self) -> float | None:
        """When `take` may have something next; None when only an event can bring it."""
        times = [self._gates.next_due(), self._timers[0][0] if self._timers else None]
        return min((time for time in times if time is not None), default=None)

    def _take_head(self, lane: Lane[T], now: float) -> Item[T] | None:
        head = lane.queue[0]
        if head.due > now:
            return None  # another timer of this lane is set for then
        if not self._gates.passes(lane, now):
            if self._gates.wait(lane.group, now) > self._bounds.long_seconds:
                self._sweep(lane)
            return None
        lane.busy = head
        return head

    def _take_tail(self, lane: Lane[T], now: float) -> Load | None:
        tail = lane.tail
        if tail is None or not is_loadable(tail) or tail.due > now:
            return None
        # Before the gate: a probe that waits for room would wait for those that wait for the probe.
        if not self._has_room(lane.group):
            self._hungry.setdefault(lane.group, deque()).append(lane)
            return None
        if not self._gates.passes(lane, now):
            return None
        tail.loading, tail.lowest = True, float("inf")
        self._expect_loads(lane.group, 1)
        return Load(lane.name, tail.after, tail.version)

    def _has_room(self, group: str) -> bool:
        coming = self._bounds.load * self._loads[group]
        coming_in_all = self._bounds.load * self._loading
        return (
            self._in_hand[group] + coming < self._bounds.group
            and self.size + self._writing + coming_in_all < self._bounds.total
        )

    def _expect_loads(self, group: str, change: int) -> None:
        self._loading += change
        self._loads[group] += change
        if not self._loads[group]:
            del self._loads[group]

    def _feed(self) -> bool:
        """Where there is room, the next lane that waits for it may load, group by group in turn."""
        for group in [group for group in self._hungry if self._has_room(group)]:
            lanes = self._hungry.pop(group)
            fed = self._first_hungry(lanes)
            if lanes:
                self._hungry[group] = lanes
            if fed is not None:
                self._set_timer(fed)
                return True
        return False

    def _first_hungry(self, lanes: deque[Lane[T]]) -> Lane[T] | None:
        """The first that still wants to load; those before it have found another way."""
        while lanes:
            lane = lanes.popleft()
            if (
                not lane.queue
                and lane.busy is None
                and lane.expected is None
                and not lane.held
                and is_loadable(lane.tail)
            ):
                return lane
        return None

    def _lane(self, name: str, group: str) -> Lane[T]:
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(name, group)
        return lane

    def _insert(self, lane: Lane[T], item: Item[T]) -> None:
        # An expected item belongs before everything that waited for it, and its order says so.
        insort(lane.queue, item, key=lambda queued: queued.order)
        if lane.busy is not None and lane.queue[0] is item:
            lane.queue.remove(item)
            lane.queue.insert(1, item)
        item.lane = lane.name
        self._items[item.id] = item
        self._in_hand[item.group] += 1
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

    def _release(self, item: Item[T]) -> Lane[T]:
        lane = self._lanes[item.lane]
        lane.busy = None
        lane.queue.remove(item)
        self._forget(item)
        self._gates.end_probe(lane)
        return lane

    def _forget(self, item: Item[T]) -> None:
        del self._items[item.id]
        self._in_hand[item.group] -= 1
        if not self._in_hand[item.group]:
            del self._in_hand[item.group]

    def _sweep(self, lane: Lane[T]) -> None:
        """Have everything of a lane that waits parked, in front of what is."""
        items, lane.queue = lane.queue, []
        for item in items:
            self._forget(item)
        self._grow_tail(lane, items).due = items[0].due
        self._leaving.extend(items)

    def _grow_tail(self, lane: Lane[T], items: Sequence[Item[T]]) -> Tail:
        first = items[0]
        tail = lane.tail
        if tail is None:
            tail = lane.tail = Tail(first.due, after=first.order - 1)
        elif first.attempt > 0:  # it was tried before those that are parked: it is the head
            tail.due = min(tail.due, first.due)
        tail.after = min(tail.after, first.order - 1)
        tail.lowest = min(tail.lowest, *(item.order for item in items))
        tail.writing += len(items)
        self._writing += len(items)
        tail.version += 1
        return tail

    def _set_timer(self, lane: Lane[T]) -> None:
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
            return
        if not lane.held and (lane.queue or is_loadable(tail)):
            self._sequence += 1
            heapq.heappush(self._timers, (due, self._sequence, lane))
