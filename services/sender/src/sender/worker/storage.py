"""Moves sends of one session from memory into MongoDB. There they are safe, so their Kafka records are finished."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from sender.dispatch.model import Item
from sender.records.job import Job
from sender.waiting.parking import Parking
from sender.waiting.scheduler import Scheduler
from sender.worker.commits import CommitEntry
from sender.worker.queued_events import QueuedEvents
from sender.worker.state import SessionState

_ALIVE_SECONDS: Final = 5.0


class Storage:
    """Parks sends, and stores those that have a `sendAt`. A record is committed only after its send is stored."""

    def __init__(
        self, state: SessionState, parking: Parking, scheduler: Scheduler, queued_events: QueuedEvents
    ) -> None:
        self._state = state
        self._overflow = state.lanes.overflow
        self.parking = parking
        self.scheduler = scheduler
        self._queued_events = queued_events

    async def park(self, items: Sequence[Item[Job]]) -> None:
        """Park these sends, then finish the records of those that were not parked before."""
        fresh = [item for item in items if item.parked is None]
        self._queued_events.explain(fresh)
        await self._store(self.parking.park(items))
        for item in fresh:
            self._state.commits.write(CommitEntry(self._queued_events.of_parked(item), item.partition, item.offset))
        self._state.changed.set()

    def park_leaving(self) -> None:
        """Park, in a task of its own, what the lanes have given up."""
        leaving = self._overflow.leaving()
        if leaving:
            self._state.tasks.start(self.park(leaving), f"park {self._state.kafka.slot}")

    async def schedule(self, sends: Sequence[tuple[Any, Job]]) -> None:
        """Store sends until their `sendAt`, then finish their records. Each comes with its Kafka partition."""
        await self._store(self.scheduler.put([job for _, job in sends]))
        for tp, job in sends:
            self._state.commits.write(CommitEntry(self._queued_events.of_scheduled(job), tp, job.position.offset))

    async def _store(self, write: Coroutine[Any, Any, None]) -> None:
        kafka = self._state.kafka
        writing = self._state.tasks.start(write, f"store {kafka.slot}")
        while not writing.done():
            # Nothing is read while MongoDB is away. A restart of this process would not fix that.
            kafka.on_progress()
            await asyncio.wait([writing], timeout=_ALIVE_SECONDS)
        await writing
