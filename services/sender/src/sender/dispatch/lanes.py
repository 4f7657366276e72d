"""Lanes: one message at a time per conversation, in order, however long one of them waits. Synchronous, no IO.

A lane is a queue. Its head may be *busy* (being sent), *due* later (deferred, in doubt, waiting for a retry), or
*expected*: its record is finished and its successor will come through a retry topic. Meanwhile the others of the lane
wait, and other lanes flow. A *group* of lanes (the conversations of one number) can be held as a whole; when the hold
ends, one lane goes ahead as a probe, and the rest follow when it did well. Between groups it goes by `turns`.

Memory is bounded: what waits long, and what there is no room for, is *parked*. The `shelf` says what to park and what
to load again; the session does it.

Times are seconds of one clock that the caller passes in.
"""

import heapq
from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from common.contracts.messages import MetaError
from sender.dispatch.aliases import LaneAliases
from sender.dispatch.fair_queue import FairQueue, VirtualClock
from sender.dispatch.holds import Holds
from sender.dispatch.model import Bounds, Item, Lane, Load, LoadBacklog, Wait, is_loadable
from sender.dispatch.overflow import Overflow

T = TypeVar("T")


class PairReadyAt(Protocol):
    """When the next message to the recipient of a lane may go: now, or later (Unix seconds)."""

    def __call__(self, lane: str, now: float, /, *, campaign: bool) -> float: ...


def _at_once(_lane: str, now: float, /, *, campaign: bool) -> float:  # noqa: ARG001  # as PairReadyAt has it
    return now


def _itself(name: str) -> str:
    return name


class Lanes(Generic[T]):
    """All lanes of one session. `pair` says when the next send of a lane may go, by the pace of its recipient.

    `named` gives the lane's name of a person who may have several; it may know more each time it is asked.
    """

    def __init__(
        self,
        bounds: Bounds | None = None,
        shares: VirtualClock | None = None,
        pair: PairReadyAt = _at_once,
        named: Callable[[str], str] = _itself,
    ) -> None:
        self._bounds = bounds or Bounds()
        self._pair = pair
        self._lanes: dict[str, Lane[T]] = {}
        self._items: dict[str, Item[T]] = {}
        self._expecting: dict[str, Lane[T]] = {}
        self._under_way: dict[str, list[Lane[T]]] = {}  # by send: the lanes whose head is another record of it
        self._gates: Holds[Lane[T]] = Holds(self._bounds.most_seconds)
        self._turns: FairQueue[Lane[T]] = FairQueue(shares)
        self._timers: list[tuple[float, int, Lane[T]]] = []
        self._sequence = 0
        self.shelf: Overflow[T] = Overflow(self._bounds, self._gates, self._lane, self._set_timer)
        self.junctions = LaneAliases(named, self._lanes, self.shelf.backlogs)

    @property
    def size(self) -> int:
        """How many sends are in memory: queued, busy, waiting or expected back."""
        return self.shelf.room.size

    def sizes(self) -> Mapping[str, int]:
        """The same by group."""
        return self.shelf.room.sizes()

    def is_held(self, group: str, now: float) -> bool:
        """Whether a group is held because it is refused as a whole."""
        return self._gates.is_refused(group, now)

    def held(self, now: float) -> int:
        """How many groups are held because they are refused as a whole."""
        return self._gates.refused(now)

    def ready(self) -> int:
        """How many sends wait for nothing but their turn."""
        return sum(lane.ready and lane.busy is None for lane in self._lanes.values())

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
            self.shelf.room.leave(lane.group)
            self._insert(lane, item)
            return None
        present = self._items.get(item.id)
        if present is not None:
            return self._prefer(present, item)
        self._join(item)
        self._insert(self._lane(item.lane, item.group), item)
        return None

    def park(self, item: Item[T]) -> bool:
        """Whether a record that was read is to be parked instead of offered; then `stored` has to follow.

        It is when its lane has a parked tail, behind which it belongs, or when there is no room for it: then
        `item.backlog` says so, and it is `stored_backlog` that has to follow, both of the shelf.
        """
        if item.id in self._expecting or item.id in self._items:
            return False
        self._join(item)
        lane = self._lanes.get(item.lane)
        parked = self.shelf.park(item, lane)
        if parked and lane is not None and not item.bulk:
            self._hurry(lane)
        return parked

    def loaded(self, load: Load, items: Sequence[Item[T]], *, more: bool, upto: int | None = None) -> list[Item[T]]:
        """The first parked sends of a lane, in order; returns those that are superfluous.

        `more` says that there may be others behind them; `upto` is the order of the last that was looked at.
        """
        lane = self._lanes[load.lane]
        if not self.shelf.loaded(lane, load, items[-1].order if upto is None and items else upto):
            items, more = (), True
        superfluous = [item for item in items if not self._take_in(lane, item)]
        if not more:
            self.shelf.all_loaded(lane, load)
        if not lane.queue:
            self._gates.end_probe(lane)
        self._set_timer(lane)
        return [item for item in superfluous if not self._is_twin(item)]

    def loaded_backlog(self, load: LoadBacklog, items: Sequence[Item[T]], *, more: bool, upto: int) -> list[Item[T]]:
        """The next sends of a group's backlog, in order; returns those that are superfluous."""
        self.shelf.loaded_backlog(load, more=more, upto=upto)
        superfluous = []
        for item in items:
            lane = self._lane(item.lane, item.group)
            # What waits has its tail, and the tail comes by all that its lane has in the store.
            if lane.tail is None and not self._take_in(lane, item):
                superfluous.append(item)
            self._set_timer(lane)
        self.junctions.backlog_ended(load.group)
        return [item for item in superfluous if not self._is_twin(item)]

    def take(self, now: float) -> Item[T] | Load | LoadBacklog | None:
        """The next head that may go, now busy, or what to load next; None when there is nothing at this time."""
        for lane in self._gates.let_go(now):
            self._set_timer(lane)
        while True:
            found = self._pop_timers(now) or self.shelf.read_on(now) or self._next_turn(now)
            # Lanes are let in last, and until one is used: it may turn out to have to wait.
            if found is not None or not self.shelf.feed():
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
        self.shelf.room.enter(lane.group)

    def block(self, item: Item[T], until: float, now: float) -> None:
        """The send waits until then, and its lane with it; in the store, when that is long."""
        lane = self._lanes[item.lane]
        lane.busy = None
        self._let_others(item)
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

    def hold(
        self, group: str, now: float, base: float, cap: float, *, refused: bool = False, reason: MetaError | None = None
    ) -> None:
        """Let no lane of the group go for `base` seconds, doubled each time in a row, at most `cap`."""
        self._gates.hold(group, now, base, cap, refused=refused, reason=reason)
        if self._gates.wait(group, now) > self._bounds.long_seconds:
            for lane in self._gates.waiting(group):  # those that came when it was to be a short one
                if lane.queue:
                    self._sweep(lane)

    def until(self, group: str) -> float:
        """When a group that is held may go."""
        return self._gates.until(group)

    def waiting(self) -> list[Item[T]]:
        """All sends in memory that are not under way."""
        return [item for item in self._items.values() if self._lanes[item.lane].busy is not item]

    def wait_of(self, group: str, now: float) -> Wait | None:
        """Until when a group is held, and why; None when it is not."""
        return self._gates.wait_of(group, now)

    def ends(self, item: Item[T], now: float) -> MetaError | None:
        """Why this send, which has been taken, is to end without a try; None when it may be tried."""
        return self._gates.ends(self._lanes[item.lane], now)

    def release(self, group: str, now: float) -> None:
        """Something changed: try the group again now, with one lane first."""
        self._gates.release(group, now)

    def open(self, group: str) -> None:
        """The group does well: let all of its lanes go."""
        for lane in self._gates.open(group):
            self._set_timer(lane)

    def next_due(self) -> float | None:
        """When `take` may have something next; None when only an event can bring it."""
        timer = self._timers[0][0] if self._timers else None
        times = (timer, self._gates.next_due(), self._turns.next_due(), self.shelf.next_due())
        return min((time for time in times if time is not None), default=None)

    def _pop_timers(self, now: float) -> Load | None:
        """Have all lanes whose time has come take turns; or the first of them that has to be loaded."""
        while self._timers and self._timers[0][0] <= now:
            _, _, lane = heapq.heappop(self._timers)
            if lane.busy is not None or lane.held or lane.expected is not None:
                continue
            if lane.queue:
                self._get_ready(lane, now)
            elif (load := self.shelf.take_tail(lane, now)) is not None:
                return load
        return None

    def _get_ready(self, lane: Lane[T], now: float) -> None:
        head = lane.queue[0]
        if head.due > now or lane.ready:
            return  # another timer of this lane is set for then
        if head.paced and now < head.expires and (may := self._pair(lane.name, now, campaign=head.bulk)) > now:
            head.due = may
            self._wait(lane, now)
            return
        self._turns.add(lane, first=lane.awaited)

    def _next_turn(self, now: float) -> Item[T] | None:
        while (lane := self._turns.next(now)) is not None:
            if lane.busy is not None or lane.expected is not None or not lane.queue or lane.queue[0].due > now:
                continue
            send = lane.queue[0].send
            if (behind := self._under_way.get(send)) is not None:
                behind.append(lane)
                continue
            if not self._gates.passes(lane, now):
                if self._gates.wait(lane.group, now) > self._bounds.long_seconds:
                    self._sweep(lane)
                continue
            lane.busy = lane.queue[0]
            self._under_way[send] = []
            self._turns.went(lane.group, paced=lane.busy.paced)
            return lane.busy
        return None

    def _hurry(self, lane: Lane[T]) -> None:
        """Somebody waits for this lane: it goes before campaigns, to its turn and through a gate."""
        if lane.ready:
            self._turns.add(lane, first=True)
        elif lane.held:
            self._gates.prefer(lane)

    def _lane(self, name: str, group: str) -> Lane[T]:
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(name, group)
        return lane

    def _join(self, item: Item[T]) -> None:
        """Have a send go where the others to its recipient are."""
        self._put(item, self.junctions.lane_of(item.lane, item.group))

    def _put(self, item: Item[T], lane: str) -> None:
        if item.lane != lane:
            item.lane, item.named = lane, item.lane

    def _take_in(self, lane: Lane[T], item: Item[T]) -> bool:
        """Queue what was loaded; not what is here already, or has just ended."""
        if item.id in self._items or item.id in self._expecting or self.shelf.is_leftover(item):
            return False
        self._insert(lane, item)
        return True

    def _is_twin(self, item: Item[T]) -> bool:
        """Whether a loaded item is the stored copy of one that was loaded before, and goes with it."""
        present = self._items.get(item.id)
        return self.shelf.is_leftover(item) or (present is not None and present.parked == item.parked)

    def _insert(self, lane: Lane[T], item: Item[T]) -> None:
        # An expected item belongs before everything that waited for it, and its order says so.
        insort(lane.queue, item, key=lambda queued: queued.order)
        if lane.busy is not None and lane.queue[0] is item:
            lane.queue.remove(item)
            lane.queue.insert(1, item)
        self._put(item, lane.name)
        self._items[item.id] = item
        self.shelf.room.enter(item.group)
        if not item.bulk:
            self._hurry(lane)
        self._set_timer(lane)

    def _prefer(self, present: Item[T], item: Item[T]) -> Item[T]:
        lane = self._lanes[present.lane]
        if lane.busy is present or item.attempt <= present.attempt:
            return item
        lane.queue[lane.queue.index(present)] = item
        self._put(item, present.lane)
        item.order = present.order
        self._items[item.id] = item
        self._set_timer(lane)
        return present

    def _release(self, item: Item[T]) -> Lane[T]:
        lane = self._lanes[item.lane]
        lane.busy = None
        self._let_others(item)
        self._turns.ended(lane.group)
        lane.queue.remove(item)
        self._forget(item)
        self._gates.end_probe(lane)
        return lane

    def _let_others(self, item: Item[T]) -> None:
        """This record of a send is not under way any more: another one may be."""
        for lane in self._under_way.pop(item.send, ()):
            self._set_timer(lane)

    def _forget(self, item: Item[T]) -> None:
        del self._items[item.id]
        self.shelf.room.leave(item.group)

    def _sweep(self, lane: Lane[T]) -> None:
        """Have everything of a lane parked."""
        for item in lane.queue:
            self._forget(item)
        self.shelf.sweep(lane)

    def _wait(self, lane: Lane[T], now: float) -> None:
        """The head is due later: in memory, or in the store when that is long. At its expiry it is looked at."""
        head = lane.queue[0]
        if head.expires > now:
            head.due = min(head.due, head.expires)
        if head.due - now > self._bounds.long_seconds:
            self._sweep(lane)
        self._set_timer(lane)

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
                self.junctions.emptied(lane.name)
            return
        if not lane.held and (lane.queue or is_loadable(tail)):
            self._sequence += 1
            heapq.heappush(self._timers, (due, self._sequence, lane))
