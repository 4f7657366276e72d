"""Parks, loads and removes the sends of one session. `dispatch.lanes` decides what to park and load."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from sender.cas_token import new_token
from sender.dispatch.items import item_of
from sender.dispatch.lanes import Lanes
from sender.dispatch.model import Bounds, Item, Load, LoadBacklog
from sender.group_commit import GroupCommit
from sender.records.job import Job, UnreadableRecord, lane_today
from sender.retrying import until_available
from sender.waiting.parked_store import Parked, ParkStore
from sender.waiting.stored_record import record_of

log = logging.getLogger(__name__)

T = TypeVar("T")

LOADED_AT_ONCE: Final = Bounds().load
_RETRY_SECONDS: Final = 0.5


class ParkingWriters:
    """The writes to the store, gathered over all sessions of the process."""

    def __init__(self, store: ParkStore) -> None:
        self.store = store
        self.parks: GroupCommit[Parked, None] = GroupCommit(store.park)
        self.postpones: GroupCommit[tuple[str, str, float, bool], None] = GroupCommit(store.postpone)
        self.removals: GroupCommit[tuple[str, str], None] = GroupCommit(store.remove)

    async def close(self) -> None:
        """Cancel the writes that still wait for MongoDB."""
        for writes in (self.parks, self.postpones, self.removals):
            await writes.close()


class Parking:
    """Parks, loads and removes the sends of one partition. Retries while MongoDB is unavailable, until cancelled."""

    def __init__(
        self,
        parker: ParkingWriters,
        lanes: Lanes[Job],
        partition: int,
        is_in_doubt: Callable[[str], bool] = lambda _: False,
        tried: Callable[[], None] = lambda: None,
    ) -> None:
        self._parker = parker
        self._lanes = lanes
        self._partition = partition
        self._is_in_doubt = is_in_doubt
        self._tried = tried
        self._latest: asyncio.Future[None] | None = None

    async def begin(self) -> int:
        """Learn which lanes have parked sends; returns the order of the last parked send (-1: there is none).

        Records before that one may not be read yet, so nothing is loaded until the overflow is told that they are. A
        send in doubt is due at once, because no session watched it.
        """
        self._lanes.loading.fall_behind()
        backlogs = await until_available(lambda: self._parker.store.backlogs(self._partition), self._tried)
        for tenant, last in backlogs:
            self._lanes.overflow.restore_backlog(tenant, last)
        waiting = await until_available(lambda: self._parker.store.waiting(self._partition), self._tried)
        for lane in waiting:
            self._lanes.overflow.restore_tail(lane.lane, lane.group, 0.0 if lane.in_doubt else lane.due)
            self._lanes.aliases.assign(lane_today(lane.lane), lane.lane, lane.group)
        for name, of, tenant in await until_available(lambda: self._parker.store.named(self._partition), self._tried):
            self._lanes.aliases.assign(name, of, tenant)
        if waiting:
            log.info("lanes have parked sends", extra={"partition": self._partition, "lanes": len(waiting)})
        return max([last for _, last in backlogs] + [lane.last for lane in waiting], default=-1)

    async def park(self, items: Sequence[Item[Job]]) -> None:
        """Store these sends; those that are stored already get their new due time.

        They count as stored after those of earlier calls. So what is loaded has no gap, however many calls are under
        way.
        """
        earlier, mine = self._latest, asyncio.get_running_loop().create_future()
        self._latest = mine
        postponed = [
            (item.id, item.parked, item.due, self._is_in_doubt(item.id))
            for item in items
            if item.parked is not None and item.due
        ]
        fresh = map(self._document, [item for item in items if item.parked is None])
        try:
            await asyncio.gather(*self._parker.postpones.submit_all(postponed), *self._parker.parks.submit_all(fresh))
            if earlier is not None:
                await asyncio.shield(earlier)
            self._stored(items)
        except BaseException:
            mine.cancel()  # those after it cannot count as stored either; the session is about to end
            raise
        mine.set_result(None)

    def _stored(self, items: Sequence[Item[Job]]) -> None:
        for lane, count in Counter(item.lane for item in items if not item.backlog).items():
            self._lanes.overflow.stored(lane, count)
        backlogs: dict[str, list[int]] = {}
        for item in items:
            if item.backlog:
                backlogs.setdefault(item.tenant, []).append(item.order)
        for tenant, orders in backlogs.items():
            self._lanes.overflow.stored_backlog(tenant, len(orders), max(orders))

    async def load(self, load: Load) -> list[Item[Job]]:
        """Load the first parked sends of a lane; returns those that the lane has already."""
        found = await until_available(
            lambda: self._parker.store.first(self._partition, load.lane, load.after, LOADED_AT_ONCE)
        )
        items = [item for item in map(_item, found) if item is not None]
        last = found[-1].order if found else load.after
        return self._lanes.arrivals.loaded(load, items, more=len(found) == LOADED_AT_ONCE, upto=last)

    async def load_backlog(self, load: LoadBacklog) -> list[Item[Job]]:
        """Load the next sends of a tenant's backlog; returns those that a lane has already."""
        found = await until_available(
            lambda: self._parker.store.next_of_backlog(self._partition, load.tenant, load.after, load.upto, load.limit)
        )
        items = [item for item in map(_item, found) if item is not None]
        more = len(found) == load.limit
        return self._lanes.arrivals.loaded_backlog(load, items, more=more, upto=found[-1].order if more else load.upto)

    async def remove(self, sends: Sequence[tuple[str, str]]) -> None:
        """Remove these (id, token), whose results are committed."""
        await asyncio.gather(*map(self._parker.removals.submit, sends))
        for _, token in sends:
            self._lanes.overflow.copy_removed(token)

    def _document(self, item: Item[Job]) -> Parked:
        job = item.payload
        return Parked(
            id=item.id,
            token=new_token(),
            record=record_of(job, self._partition),
            lane=item.lane,
            group=item.tenant,
            order=item.order,
            due=item.due,
            in_doubt=self._is_in_doubt(item.id),
            strikes=item.strikes,
            backlog=item.backlog,
            named=item.named,
            wait=(item.wait.due, item.wait.error.reason) if item.wait is not None else None,
        )


def _item(parked: Parked) -> Item[Job] | None:
    """The parked send; None when it can no longer be parsed (it stays in the store)."""
    job = parked.record.read()
    if isinstance(job, UnreadableRecord):
        log.error("parked send can no longer be parsed", extra={"id": parked.id})
        return None
    item = item_of(
        job,
        order=parked.order,
        partition=None,
        due=0.0 if parked.in_doubt else parked.due,
        strikes=parked.strikes,
        parked=parked.token,
    )
    item.lane, item.named = parked.lane, parked.named
    return item
