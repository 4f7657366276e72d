"""Lanes: one message at a time per conversation, in order, however long one of them waits. Synchronous, no IO.

A lane is a queue. Its head may be *busy* (being sent), *due* later (deferred, in doubt, waiting for a retry), or
*expected*: its record is finished and its successor will come through a retry topic. Meanwhile the others of the lane
wait, and other lanes flow. A *group* of lanes (the conversations of one number) can be held as a whole; when the hold
ends, one lane goes ahead as a probe, and the rest follow when it did well. Between groups it goes by `turns`.

Memory is bounded: what waits long, and what is more than a lane may have in hand, is *parked*: its lane has a tail in
the store behind everything that is in memory, which is loaded again, in order, when its time has come and there is
room. What is more than a group or all of them may have in hand goes into the group's *backlog*, and is read on in the
order of its coming. While a group has a backlog, what somebody waits for goes by the tail of its lane, and so past the
backlog, but not past what the lane itself has in there. These rules say only what to park and what to load; the
session does it.

Times are seconds of one clock that the caller passes in.
"""

import heapq
from bisect import insort
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sender.backlogs import Backlogs
from sender.gates import Gates
from sender.lane import Bounds, Item, Lane, Load, LoadBacklog, Tail, is_loadable
from sender.room import Room
from sender.turns import Shares, Turns

T = TypeVar("T")


def _at_once(_lane: str, now: float) -> float:
    return now


class Lanes(Generic[T]):
    """All lanes of one session. `pair` says when the next send of a lane may go, by the pace of its recipient."""

    def __init__(
        self,
        bounds: Bounds | None = None,
        shares: Shares | None = None,
        pair: Callable[[str, float], float] = _at_once,
    ) -> None:
        self._bounds = bounds or Bounds()
        self._pair = pair
        self._lanes: dict[str, Lane[T]] = {}
        self._items: dict[str, Item[T]] = {}
        self._expecting: dict[str, Lane[T]] = {}
        self._gates: Gates[Lane[T]] = Gates()
        self._turns: Turns[Lane[T]] = Turns(shares)
        self._room = Room(self._bounds)
        self._backlogs = Backlogs()
        self._tails: Counter[str] = Counter()
        self._timers: list[tuple[float, int, Lane[T]]] = []
        self._hungry: dict[tuple[str, bool], deque[Lane[T]]] = {}
        self._leaving: list[Item[T]] = []
        self._leftover: set[str] = set()
        self._sequence = 0

    @property
    def size(self) -> int:
        """How many sends are in memory: queued, busy, waiting or expected back."""
        return self._room.size

    def urgency(self) -> float:
        """How far behind its share the group is whose turn is next; the smaller the more urgent."""
        return self._turns.urgency()

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
            self._room.leave(lane.group)
            self._insert(lane, item)
            return None
        present = self._items.get(item.id)
        if present is not None:
            return self._prefer(present, item)
        self._insert(self._lane(item.lane, item.group), item)
        return None

    def park(self, item: Item[T]) -> bool:
        """Whether a record that was read is to be parked instead of offered; then `stored` has to follow.

        It is when its lane has a parked tail, behind which it belongs, or when there is no room for it: then
        `item.backlog` says so, and it is `stored_backlog` that has to follow.
        """
        if item.id in self._expecting or item.id in self._items:
            return False
        lane, group = self._lanes.get(item.lane), item.group
        item.backlog = False
        if lane is not None and (lane.tail is not None or len(lane.queue) >= self._bounds.lane):
            self._grow_tail(lane, [item])
            return True
        retried, backlogged = item.attempt > 0, group in self._backlogs
        if (retried or not backlogged) and self._room.is_free(group, bulk=item.bulk and not retried):
            return False
        # A retry stands before all that its lane has in the backlog, and what somebody waits for goes past the others.
        if retried or (backlogged and not item.bulk and self._tails[group] < self._bounds.group):
            self._grow_tail(self._lane(item.lane, group), [item])
            return True
        item.backlog = True
        self._backlogs.grow(group)
        self._room.writing += 1
        return True

    def stored(self, lane: str, count: int) -> None:
        """So many of the lane's sends that were to be parked are in the store now."""
        self._room.writing -= count
        parked = self._lanes[lane]
        if parked.tail is not None:
            parked.tail.writing -= count
        self._set_timer(parked)

    def stored_backlog(self, group: str, count: int, last: int) -> None:
        """So many of a group's sends that were to be parked are in its backlog now, up to this order."""
        self._room.writing -= count
        self._backlogs.stored(group, count, last)

    def leaving(self) -> list[Item[T]]:
        """What has to be parked because it waits long: hand it over once, and say `stored` when it is done."""
        leaving, self._leaving = self._leaving, []
        return leaving

    def mark(self, lane: str, group: str, due: float) -> None:
        """The store has sends of this lane that wait (known when a session begins)."""
        marked = self._lane(lane, group)
        # It may be a campaign's, or what went past one: nobody knows any more.
        self._begin_tail(marked, due, after=-1).bulk = False
        self._set_timer(marked)

    def mark_backlog(self, group: str, last: int) -> None:
        """The store has a backlog of this group, up to this order (known when a session begins)."""
        self._backlogs.known(group, last)

    def leaves_over(self, copy: str) -> None:
        """A loaded send has ended; its copy (named by its token) is in the store until `removed`."""
        self._leftover.add(copy)

    def removed(self, copy: str) -> None:
        """The copy in the store is gone."""
        self._leftover.discard(copy)

    def loaded(self, load: Load, items: Sequence[Item[T]], *, more: bool, upto: int | None = None) -> list[Item[T]]:
        """The first parked sends of a lane, in order; returns those that are superfluous.

        `more` says that there may be others behind them; `upto` is the order of the last that was looked at.
        """
        lane = self._lanes[load.lane]
        tail = lane.tail
        assert tail is not None  # noqa: S101  # a tail goes only here
        tail.loading = False
        self._room.unexpect(lane.group, self._bounds.load)
        if tail.after != load.after:
            items, more = (), True  # something was parked in front of them meanwhile: load again
        elif items or upto is not None:
            tail.after, tail.due = items[-1].order if upto is None else upto, 0.0
        superfluous = [item for item in items if not self._take_in(lane, item)]
        if not more and tail.version == load.version:
            self._end_tail(lane)
        if not lane.queue:
            self._gates.end_probe(lane)
        self._set_timer(lane)
        return [item for item in superfluous if not self._is_twin(item)]

    def loaded_backlog(self, load: LoadBacklog, items: Sequence[Item[T]], *, more: bool, upto: int) -> list[Item[T]]:
        """The next sends of a group's backlog, in order; returns those that are superfluous."""
        self._room.unexpect(load.group, load.limit)
        self._backlogs.end(load.group, load.version, upto, more=more)
        superfluous = []
        for item in items:
            lane = self._lane(item.lane, item.group)
            # What waits has its tail, and the tail comes by all that its lane has in the store.
            if lane.tail is None and not self._take_in(lane, item):
                superfluous.append(item)
            self._set_timer(lane)
        return [item for item in superfluous if not self._is_twin(item)]

    def take(self, now: float) -> Item[T] | Load | LoadBacklog | None:
        """The next head that may go, now busy, or what to load next; None when there is nothing at this time."""
        for lane in self._gates.let_go(now):
            self._set_timer(lane)
        while True:
            found = self._pop_timers(now) or self._read_on(now) or self._next_turn(now)
            # Lanes are let in last, and until one is used: it may turn out to have to wait.
            if found is not None or not self._feed():
                return found

    def finish(self, item: Item[T]) -> None:
        """The send has ended, or its record is done with: the next of the lane may go."""
        lane = self._release(item)
        self._set_timer(lane)

    def expect(self, item: Item[T], attempt: int) -> None:
        """The record is done with, and one for `attempt` will come: the lane waits for it."""
        lane = self._release(item)
        lane.expected = (item.id, attempt)
        self._expecting[item.id] = lane
        self._room.enter(lane.group)

    def block(self, item: Item[T], until: float, now: float) -> None:
        """The send waits until then, and its lane with it; in the store, when that is long."""
        lane = self._lanes[item.lane]
        lane.busy = None
        self._turns.ended(lane.group)
        item.due = until
        self._gates.end_probe(lane)
        self._wait(lane, now)

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
        times = [self._gates.next_due(), self._timers[0][0] if self._timers else None, self._turns.next_due()]
        times += [self._gates.until(group) for group in self._backlogs if self._is_readable(group)]
        return min((time for time in times if time is not None), default=None)

    def _pop_timers(self, now: float) -> Load | None:
        """Have all lanes whose time has come take turns; or the first of them that has to be loaded."""
        while self._timers and self._timers[0][0] <= now:
            _, _, lane = heapq.heappop(self._timers)
            if lane.busy is not None or lane.held or lane.expected is not None:
                continue
            if lane.queue:
                self._get_ready(lane, now)
            elif (load := self._take_tail(lane, now)) is not None:
                return load
        return None

    def _get_ready(self, lane: Lane[T], now: float) -> None:
        head = lane.queue[0]
        if head.due > now or lane.ready:
            return  # another timer of this lane is set for then
        if head.paced and now < head.expires and (may := self._pair(lane.name, now)) > now:
            head.due = may
            self._wait(lane, now)
            return
        self._turns.add(lane, first=_is_awaited(lane))

    def _next_turn(self, now: float) -> Item[T] | None:
        while (lane := self._turns.next(now)) is not None:
            if lane.busy is not None or lane.expected is not None or not lane.queue or lane.queue[0].due > now:
                continue
            if not self._gates.passes(lane, now):
                if self._gates.wait(lane.group, now) > self._bounds.long_seconds:
                    self._sweep(lane)
                continue
            lane.busy = lane.queue[0]
            self._turns.went(lane.group, paced=lane.busy.paced)
            return lane.busy
        return None

    def _take_tail(self, lane: Lane[T], now: float) -> Load | None:
        tail = lane.tail
        if tail is None or not is_loadable(tail) or tail.due > now:
            return None
        # Before the gate: a probe that waits for room would wait for those that wait for the probe.
        if not self._room.is_free(lane.group, bulk=tail.bulk):
            self._hungry.setdefault((lane.group, tail.bulk), deque()).append(lane)
            return None
        if not self._gates.passes(lane, now):
            return None
        tail.loading = True
        self._room.expect(lane.group, self._bounds.load)
        return Load(lane.name, tail.after, tail.version)

    def _feed(self) -> bool:
        """Where there is room, the next lane that waits for it may load, group by group in turn."""
        for key in [(group, bulk) for group, bulk in self._hungry if self._room.is_free(group, bulk=bulk)]:
            lanes = self._hungry.pop(key)
            fed = self._first_hungry(lanes)
            if lanes:
                self._hungry[key] = lanes
            if fed is not None:
                self._set_timer(fed)
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

    def _read_on(self, now: float) -> LoadBacklog | None:
        """The next of a backlog whose group may go on and has room."""
        for group in self._backlogs:
            if self._is_readable(group) and self._gates.wait(group, now) <= 0:
                after, upto, version = self._backlogs.begin(group)
                limit = min(self._bounds.chunk, self._bounds.bulk)
                self._room.expect(group, limit)
                return LoadBacklog(group, after, upto, version, limit)
        return None

    def _is_readable(self, group: str) -> bool:
        return (
            self._backlogs.readable(group)
            and self._room.is_free(group, bulk=True)
            and self._tails[group] < self._bounds.group
        )

    def _lane(self, name: str, group: str) -> Lane[T]:
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(name, group)
        return lane

    def _take_in(self, lane: Lane[T], item: Item[T]) -> bool:
        """Queue what was loaded; not what is here already, or has just ended."""
        if item.id in self._items or item.id in self._expecting or item.parked in self._leftover:
            return False
        self._insert(lane, item)
        return True

    def _is_twin(self, item: Item[T]) -> bool:
        """Whether a loaded item is the stored copy of one that was loaded before, and goes with it."""
        present = self._items.get(item.id)
        return item.parked in self._leftover or (present is not None and present.parked == item.parked)

    def _insert(self, lane: Lane[T], item: Item[T]) -> None:
        # An expected item belongs before everything that waited for it, and its order says so.
        insort(lane.queue, item, key=lambda queued: queued.order)
        if lane.busy is not None and lane.queue[0] is item:
            lane.queue.remove(item)
            lane.queue.insert(1, item)
        item.lane = lane.name
        self._items[item.id] = item
        self._room.enter(item.group)
        if lane.ready and not item.bulk:
            self._turns.add(lane, first=True)
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
        self._turns.ended(lane.group)
        lane.queue.remove(item)
        self._forget(item)
        self._gates.end_probe(lane)
        return lane

    def _forget(self, item: Item[T]) -> None:
        del self._items[item.id]
        self._room.leave(item.group)

    def _wait(self, lane: Lane[T], now: float) -> None:
        """The head is due later: in memory, or in the store when that is long. At its expiry it is looked at."""
        head = lane.queue[0]
        if head.expires > now:
            head.due = min(head.due, head.expires)
        if head.due - now > self._bounds.long_seconds:
            self._sweep(lane)
        self._set_timer(lane)

    def _sweep(self, lane: Lane[T]) -> None:
        """Have everything of a lane that waits parked, in front of what is."""
        items, lane.queue = lane.queue, []
        for item in items:
            item.backlog = False
            self._forget(item)
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
        tail.bulk = tail.bulk and all(item.bulk for item in items)
        tail.writing += len(items)
        self._room.writing += len(items)
        tail.version += 1
        if lane.ready and not tail.bulk:
            self._turns.add(lane, first=True)
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


def _is_awaited(lane: Lane[T]) -> bool:
    """Whether somebody waits for anything of this lane: then all that is before it is urgent, too."""
    return (lane.tail is not None and not lane.tail.bulk) or any(not item.bulk for item in lane.queue)
