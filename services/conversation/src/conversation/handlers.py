"""Conversation's work on its partitions: read a batch, apply it in MongoDB, publish and commit in Kafka.

The order is the promise (P2): MongoDB first, in one transaction; then one Kafka transaction with the events and the
offsets. A crash in between replays the batch, and the plan finds by the origins which events have yet to be published.

A batch has records of all partitions of the session. Where a record breaks it, its partitions are committed apart, the
good ones first (`turns`). With a backlog there are several batches at the same time, each of other partitions
(`in_flight`).
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from common.kafka.consume.partition_session import PartitionSession
from common.kafka.records import Outgoing
from common.mongo import OwnedSession
from common.mongo.indexes import Indexes
from conversation.applying import Applying, is_outage
from conversation.batch.facts import Record
from conversation.batch_size import BatchSize
from conversation.in_flight import MOST, InFlight
from conversation.telemetry import BatchTelemetry
from conversation.turns import FULL_SECONDS, SlowPartitions, Turns, halves, in_written_order
from conversation.window import gather_seconds

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
_REST_SECONDS: Final = 0.1

Part = Mapping[Any, Sequence[Any]]
"""Records by partition that are applied and committed together."""


class ConversationWorker:
    """Applies the records of every partition that this process is given (`PartitionGroup`'s worker)."""

    def __init__(self, applying: Applying, indexes: Indexes, *, batch_records: int) -> None:
        self._applying = applying
        self._indexes = indexes
        self._batch_size = BatchSize(batch_records)
        self._slow = SlowPartitions()

    async def __call__(self, session: PartitionSession) -> None:
        """Work until the partitions are revoked. Errors of MongoDB and Kafka are raised; the session starts again."""
        if not await self._may_begin(session):
            return
        owners = sorted(f"{session.group}/{place.topic}-{place.partition}" for place in session.partitions)
        async with self._applying.owned_by(*owners, sessions=MOST) as owned, InFlight() as in_flight:
            batches = _Batches(session, owned, in_flight, self._applying, self._batch_size, self._slow)
            while not session.stopping.is_set():
                await batches.next()

    async def _may_begin(self, session: PartitionSession) -> bool:
        """Wait for the unique indexes: without them nothing may be written."""
        waits: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._indexes.wait()),
            asyncio.create_task(session.stopping.wait()),
        ]
        tries = self._indexes.tries
        try:
            while not (await asyncio.wait(waits, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED))[0]:
                if self._indexes.tries != tries:
                    tries = self._indexes.tries
                    session.tried()
        finally:
            for wait in waits:
                wait.cancel()
        return not session.stopping.is_set()


@dataclass(eq=False, slots=True)
class _Batches:
    """The batches of one session; those of a partition one after another. `batch_size` and `slow` outlive it."""

    session: PartitionSession
    owned: OwnedSession
    in_flight: InFlight
    applying: Applying
    batch_size: BatchSize
    slow: SlowPartitions
    turns: Turns = field(default_factory=Turns)

    async def next(self) -> None:
        """Read a batch and begin with it. Without a backlog also apply and commit it, and wait as the window says."""
        await self.in_flight.room()
        most = self.batch_size.size
        fetched = await self._fetch(most)
        if not fetched:
            return
        began, count = time.monotonic(), sum(map(len, fetched.values()))
        full = count >= most
        self.turns.took(fetched, full=full)
        self.in_flight.begin(fetched, self._work(fetched, full=full))
        if full:
            return
        if not self.in_flight.backlog:
            await self.in_flight.one()
        if window := gather_seconds(count, most, time.monotonic() - began):
            await asyncio.sleep(window)

    async def _fetch(self, most: int) -> Part:
        in_flight = self.in_flight.places
        places = self.slow.readable(self.session.partitions, time.monotonic()) - in_flight
        found: dict[Any, Sequence[Record]] = {}
        if served := self.turns.served | in_flight:
            for some in (places - served, places & served):
                left = most - sum(map(len, found.values()))
                if some and left > 0:
                    found |= await self.session.fetch(some, max_records=left, timeout_ms=0)
        if found:
            return found
        if in_flight:
            await self.in_flight.one()
        elif places:
            return await self.session.fetch(places, max_records=most)
        else:
            await asyncio.sleep(_REST_SECONDS)
        return {}

    async def _work(self, batch: Part, *, full: bool) -> None:
        for part in self.slow.parts(batch):
            await self._finish(part)
        if full:
            self.batch_size.grow(sum(map(len, batch.values())))

    async def _finish(self, part: Part) -> None:
        """Apply and commit. Where a record breaks the batch, the good partitions are committed first."""
        waiting, broken = deque([part]), deque[Part]()
        while waiting or broken:
            part, alone = (waiting.popleft(), False) if waiting else (broken.popleft(), True)
            records = in_written_order(part.values())
            batch = BatchTelemetry(self.session.group, len(records))
            outgoing = await self._apply(part, records, batch, alone=alone)
            if outgoing is None and len(part) > 1:
                waiting.extend(halves(part))
            elif outgoing is None:
                broken.append(part)
            else:
                self.applying.count(records, outgoing)
                offsets = {place: those[-1].offset + 1 for place, those in part.items()}
                await self.session.commit(outgoing, offsets)
                batch.committed()

    async def _apply(
        self, part: Part, records: Sequence[Record], batch: BatchTelemetry, *, alone: bool
    ) -> list[Outgoing] | None:
        """What is to be published. None: a record breaks the batch; `alone`, it becomes a dead letter instead."""
        seconds = self.slow.seconds(part)
        apply = self.applying.apart if alone else self.applying.together
        try:
            outgoing = await apply(self.owned, records, batch, seconds)
        except TimeoutError:
            self._note_slow(part, len(records), seconds)
            raise
        except Exception as error:
            if is_outage(error):
                raise
            return None
        self.slow.passed(part)
        return outgoing

    def _note_slow(self, part: Part, records: int, seconds: float) -> None:
        if seconds >= FULL_SECONDS:
            self.batch_size.shrink(records)
        if len(self.session.partitions) > 1:
            self.slow.failed(part, time.monotonic())
        about = {"records": records, "partitions": len(part), "next": self.batch_size.size}
        log.warning("a transaction did not get through in time", extra=about)
