"""Hands records on: to their lanes, to the store, or back to Kafka. Those of a flood wait while others go first."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from common.contracts import topics
from common.kafka.consume.partition_session import Records
from common.kafka.records import Outgoing
from common.telemetry import spans
from sender.dispatch.model import Item
from sender.records.job import Job
from sender.worker.commits import CommitEntry
from sender.worker.effects import Effects
from sender.worker.intake.judging import judge
from sender.worker.intake.read_ahead import ReadAhead
from sender.worker.parts import WorkerParts
from sender.worker.state import SessionState
from sender.worker.storage import Storage

_PARCELS: Final = 3
"""Parcels under way at one time: one is judged, one is written, one waits. Each is an eighth of a session's memory."""

_SLICE: Final = 25
"""Records that are judged in a row, in about two milliseconds. Then whatever else is ready runs."""

_REST_SECONDS: Final = 0.005
"""The pause after a slice while there is more to read: reading goes first."""

_MANY: Final = 100
"""A fetch that brings as many has others behind it, if they come within `_SOON_SECONDS`."""

_SOON_SECONDS: Final = 0.05


@dataclass(slots=True)
class _ToStore:
    """The sends of some records that have to be stored: now, or until their `sendAt`."""

    parked: list[Item[Job]] = field(default_factory=list)
    scheduled: list[tuple[Any, Job]] = field(default_factory=list)


class Intake:
    """Takes the records of one session. `run` hands on those that were read ahead.

    **Invariants:**
    - Each record is tracked when it is read, so no offset is committed before its send is stored or has ended.
    - What is read ahead is bounded in bytes, and what is being written in parcels.
    """

    def __init__(self, state: SessionState, parts: WorkerParts, storage: Storage, effects: Effects) -> None:
        self._state = state
        self._arrivals = state.lanes.arrivals
        self._commits = state.commits
        self._storage = storage
        self._effects = effects
        self._now: Callable[[], datetime] = parts.delivery.now
        self._dead_letters = parts.dead_letters
        self._ahead = ReadAhead(parts.limits.read_ahead, state.lanes.overflow.backlogs)
        self._parcel = max(1, parts.limits.bounds.total // 8)
        self._free = asyncio.Semaphore(_PARCELS)
        self._under_way: dict[int, None] = {}
        self._filled, self._emptied = asyncio.Event(), asyncio.Event()
        self._clock = asyncio.get_running_loop().time
        self._reading_until = 0.0

    async def take(self, records: Records) -> None:
        """Hand these records on, or have them wait. Returns when those that go to the store at once are there."""
        to_store = _ToStore()
        partitions, now = self._state.partitions(), self._now()
        for tp, batch in records.items():
            may_wait = tp.topic == topics.SEND.name
            for record in batch:
                self._commits.track(tp, record.offset)
                if not (may_wait and self._ahead.takes(record)):
                    self._hand_on(tp, record, to_store, partitions, now)
        if records:
            self._state.changed.set()
        if self._ahead:
            self._filled.set()
        await self._store(to_store)

    async def until_room(self, fetched: int) -> bool:
        """Wait while as much is read ahead as may be. Returns whether to read on at once, when a fetch brought so many.

        Until the next call, those that were read ahead make way for reading, if there is much to read.
        """
        while self._ahead.is_full:
            self._reading_until = 0.0
            self._emptied.clear()
            await self._emptied.wait()
        more = fetched >= _MANY and bool(self._ahead)
        self._reading_until = self._clock() + _SOON_SECONDS if more else 0.0
        return more

    def reached(self, position: int) -> int:
        """All records of the send topic before this offset are in lanes or stored, when it was read to `position`."""
        first = next(iter(self._under_way), self._ahead.first)
        return position if first is None else min(position, first)

    async def run(self) -> None:
        """Hand on what was read ahead, until cancelled."""
        sends = next(tp for tp in self._state.kafka.partitions if tp.topic == topics.SEND.name)
        while True:
            await self._filled.wait()
            await self._free.acquire()
            to_store, first = _ToStore(), self._ahead.first
            if first is None:
                self._filled.clear()
                self._free.release()
                continue
            self._under_way[first] = None
            left = self._parcel
            while left > 0 and self._ahead:
                partitions, now = self._state.partitions(), self._now()
                for record in self._ahead.pop(min(left, _SLICE)):
                    self._hand_on(sends, record, to_store, partitions, now)
                left -= _SLICE
                self._state.changed.set()
                self._emptied.set()
                await asyncio.sleep(_REST_SECONDS if self._clock() < self._reading_until else 0)
            self._state.tasks.start(self._store_parcel(to_store, first), f"intake {self._state.kafka.slot}")

    def close(self) -> None:
        """Forget what was read ahead, because the session has ended."""
        self._ahead.clear()

    def _hand_on(self, tp: Any, record: Any, to_store: _ToStore, partitions: int | None, now: datetime) -> None:
        judged = judge(
            tp,
            record,
            partitions=partitions,
            now=now,
            sampled=spans.chosen(),
            dated_since=self._state.dated_since,
        )
        if isinstance(judged, Outgoing):
            if judged.topic == topics.SEND_DLQ.name:
                self._dead_letters.not_understood(now.timestamp())
            self._commits.write(CommitEntry((judged,), tp, record.offset))
        elif isinstance(judged, Job):
            to_store.scheduled.append((tp, judged))
        elif self._arrivals.park(judged):
            to_store.parked.append(judged)
        else:
            self._drop(self._arrivals.offer(judged))

    async def _store_parcel(self, to_store: _ToStore, first: int) -> None:
        await self._store(to_store)
        del self._under_way[first]
        self._free.release()

    async def _store(self, to_store: _ToStore) -> None:
        if to_store.parked:
            await self._storage.park(to_store.parked)
        if to_store.scheduled:
            await self._storage.schedule(to_store.scheduled)

    def _drop(self, superfluous: Item[Job] | None) -> None:
        """Finish a record whose send has another record."""
        if superfluous is not None:
            self._effects.finish_record(superfluous)
