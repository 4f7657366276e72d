"""Lanes: one message at a time per conversation, in order, however long one of them waits. Synchronous, no IO.

A lane is a queue. Its head may be *busy* (being sent), *due* later (deferred, in doubt, waiting for a retry), or
*expected*: its record is finished, and its successor will come through a retry topic. Meanwhile the other sends of the
lane wait, and other lanes go on. A tenant's lanes (the conversations of one number) can be *held* together; when the
hold ends, one lane goes first as a probe, and the others follow when Meta accepts its send. Tenants share by the
`FairQueue`.

Memory is bounded: sends that wait long, or find memory full, are *parked*. `Overflow` decides what to park, `Loading`
what to load again; the session does it.

Times are seconds of one clock that the caller passes in.
"""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from common.contracts.messages import MetaError
from sender.dispatch.aliases import LaneAliases
from sender.dispatch.arrivals import Arrivals
from sender.dispatch.backlogs import Backlogs
from sender.dispatch.fair_queue import NEVER, FairQueue, VirtualClock
from sender.dispatch.holds import Holds
from sender.dispatch.lane_table import LaneTable
from sender.dispatch.loading import Loading
from sender.dispatch.memory import MemoryBudget
from sender.dispatch.model import Bounds, Item, Lane, Load, LoadBacklog
from sender.dispatch.overflow import Overflow
from sender.dispatch.tails import Tails

T = TypeVar("T")


class PairReadyAt(Protocol):
    """When the next message to the recipient of a lane may go: now, or later (Unix seconds)."""

    def __call__(self, lane: str, now: float, /, *, campaign: bool) -> float: ...


def _at_once(_lane: str, now: float, /, *, campaign: bool) -> float:  # noqa: ARG001  # as PairReadyAt has it
    return now


def _itself(name: str) -> str:
    return name


class Lanes(Generic[T]):
    """All lanes of one session: what goes next, and what becomes of a lane after a step of its head.

    `pair_ready_at` says when the next send of a lane may go, by the rate of its recipient. `name_of` gives the lane's
    name of a person who may have several; it may know more each time it is asked.

    Sends come in through `arrivals`. `holds`, `memory`, `overflow`, `loading` and `aliases` are asked directly.
    """

    def __init__(
        self,
        bounds: Bounds | None = None,
        clock: VirtualClock | None = None,
        pair_ready_at: PairReadyAt = _at_once,
        name_of: Callable[[str], str] = _itself,
    ) -> None:
        bounds = bounds or Bounds()
        self._long_seconds = bounds.long_seconds
        self._pair_ready_at = pair_ready_at
        self._lanes: dict[str, Lane[T]] = {}
        self._under_way: dict[str, list[Lane[T]]] = {}  # by send: the lanes whose head is another record of it
        self._queue: FairQueue[Lane[T]] = FairQueue(clock)
        self._load: Load | LoadBacklog | None = None  # found by `urgency`, for the next `take`
        self.holds: Holds[Lane[T]] = Holds(bounds.max_hold_seconds)
        self.memory = MemoryBudget(bounds)
        backlogs = Backlogs()
        self.aliases = LaneAliases(name_of, self._lanes, backlogs)
        self._table = LaneTable(self._lanes, self.aliases)
        tails: Tails[T] = Tails(self.memory, backlogs)
        self.overflow = Overflow(bounds, self.memory, backlogs, tails, self._table)
        self.loading = Loading(bounds, self.memory, backlogs, tails, self.holds, self._table)
        self.arrivals = Arrivals(
            self._lanes,
            self._table,
            self.aliases,
            self.memory,
            self.overflow,
            self.loading,
            self.holds,
            self._queue,
        )

    def ready(self) -> int:
        """How many sends wait only for their turn."""
        return sum(lane.ready and lane.busy is None for lane in self._lanes.values())

    def urgency(self, now: float) -> float:
        """How far behind its share the tenant is whose turn is next; the smallest is the most urgent.

        Lanes whose time has come are queued first, so a send that has just arrived counts. A load comes before all: it
        needs no call.
        """
        while self._load is None:
            self._load = self._find_load(now)
            if self._load is not None or self._queue.urgency() != NEVER or not self.loading.wake_waiting():
                break
        return self._queue.urgency() if self._load is None else -NEVER

    def waiting(self) -> list[Item[T]]:
        """All sends in memory that are not under way."""
        return [item for item in self.arrivals.items.values() if self._lanes[item.lane].busy is not item]

    def take(self, now: float) -> Item[T] | Load | LoadBacklog | None:
        """The next head that may go, now busy, or what to load next; None when there is nothing at this time."""
        if self._load is not None:
            load, self._load = self._load, None
            return load
        while True:
            found = self._find_load(now) or self._next_turn(now)
            # Lanes that wait for memory come last, until one is used: each may turn out to have to wait longer.
            if found is not None or not self.loading.wake_waiting():
                return found

    def finish(self, item: Item[T]) -> None:
        """The send has ended, or its record is finished: the next of the lane may go."""
        self._table.changed(self._release(item))

    def expect(self, item: Item[T], attempt: int) -> None:
        """The record is finished, and one for `attempt` will come: the lane waits for it."""
        lane = self._release(item)
        lane.expected = (item.id, attempt)
        self.arrivals.expecting[item.id] = lane
        self.memory.add(lane.tenant)

    def block(self, item: Item[T], until: float, now: float) -> None:
        """The send waits until then, and its lane with it; in the store, when that is long."""
        lane = self._lanes[item.lane]
        lane.busy = None
        self._wake_other_records(item)
        self._queue.ended(lane.tenant)
        item.due = until
        self.holds.end_probe(lane)
        self._wait(lane, now)

    def wake(self, send: str, lane: str, now: float) -> None:
        """End the wait of a blocked send, the head of its lane."""
        item, waiting = self.arrivals.items.get(send), self._lanes.get(lane)
        if waiting is None:
            return
        if item is not None and waiting.busy is not item:
            item.due = min(item.due, now)
        elif item is None and waiting.tail is not None:
            waiting.tail.due = min(waiting.tail.due, now)
        self._table.changed(waiting)

    def hold(
        self,
        tenant: str,
        now: float,
        base: float,
        cap: float,
        *,
        refused: bool = False,
        reason: MetaError | None = None,
    ) -> None:
        """Let no lane of the tenant go for `base` seconds, doubled each time in a row, at most `cap`."""
        self.holds.hold(tenant, now, base, cap, refused=refused, reason=reason)
        if self.holds.wait(tenant, now) > self._long_seconds:
            for lane in self.holds.waiting(tenant):  # those that came while the hold was short
                if lane.queue:
                    self._park(lane)

    def lift(self, tenant: str) -> None:
        """Meta accepts the tenant's sends: let all of its lanes go."""
        for lane in self.holds.lift(tenant):
            self._table.changed(lane)

    def give_up_error(self, item: Item[T], now: float) -> MetaError | None:
        """Why this send, which has been taken, is to end without a try; None when it may be tried."""
        return self.holds.give_up_error(self._lanes[item.lane], now)

    def next_due(self) -> float | None:
        """When `take` may have something next; None when only an event can bring it."""
        times = (self._table.next_due(), self.holds.next_due(), self._queue.next_due(), self.loading.next_due())
        return min((time for time in times if time is not None), default=None)

    def _find_load(self, now: float) -> Load | LoadBacklog | None:
        """Queue all lanes whose time has come; or return what to load next."""
        for lane in self.holds.pop_ready(now):
            self._table.changed(lane)
        return self._pop_due(now) or self.loading.take_backlog(now)

    def _pop_due(self, now: float) -> Load | None:
        """Queue all lanes whose time has come; or return the load of the first whose sends are all parked."""
        while (lane := self._table.pop_due(now)) is not None:
            if lane.queue:
                self._get_ready(lane, now)
            elif (load := self.loading.take_tail(lane, now)) is not None:
                return load
        return None

    def _get_ready(self, lane: Lane[T], now: float) -> None:
        head = lane.queue[0]
        if head.due > now or lane.ready:
            return  # another timer of this lane is set for then
        if head.paced and now < head.expires and (at := self._pair_ready_at(lane.name, now, campaign=head.bulk)) > now:
            head.due = at
            self._wait(lane, now)
            return
        self._queue.add(lane, urgent=lane.urgent)

    def _next_turn(self, now: float) -> Item[T] | None:
        while (lane := self._queue.next(now)) is not None:
            if lane.busy is not None or lane.expected is not None or not lane.queue or lane.queue[0].due > now:
                continue
            send = lane.queue[0].send
            if (behind := self._under_way.get(send)) is not None:
                behind.append(lane)
                continue
            if not self.holds.passes(lane, now):
                if self.holds.wait(lane.tenant, now) > self._long_seconds:
                    self._park(lane)
                continue
            lane.busy = lane.queue[0]
            self._under_way[send] = []
            self._queue.started(lane.tenant, paced=lane.busy.paced)
            return lane.busy
        return None

    def _release(self, item: Item[T]) -> Lane[T]:
        lane = self._lanes[item.lane]
        lane.busy = None
        self._wake_other_records(item)
        self._queue.ended(lane.tenant)
        lane.queue.remove(item)
        self.arrivals.forget(item)
        self.holds.end_probe(lane)
        return lane

    def _wake_other_records(self, item: Item[T]) -> None:
        """This record of a send is no longer under way: another record of it may be."""
        for lane in self._under_way.pop(item.send, ()):
            self._table.changed(lane)

    def _park(self, lane: Lane[T]) -> None:
        """Have everything of a lane parked."""
        for item in lane.queue:
            self.arrivals.forget(item)
        self.overflow.park_queue(lane)

    def _wait(self, lane: Lane[T], now: float) -> None:
        """The head is due later: in memory, or in the store when that is long. At its expiry it is looked at."""
        head = lane.queue[0]
        if head.expires > now:
            head.due = min(head.due, head.expires)
        if head.due - now > self._long_seconds:
            self._park(lane)
        self._table.changed(lane)
