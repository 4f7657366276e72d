"""One slot of partitions, from its assignment to its revocation: makes the parts, runs them, and ends them in order."""

import asyncio
import uuid
from typing import Any

from common.kafka.consume.partition_session import PartitionSession
from common.kafka.records import Outgoing
from common.tasks import cancel
from sender.dispatch.lanes import Lanes
from sender.records.job import Job
from sender.retrying import until_available
from sender.task_supervisor import TaskSupervisor
from sender.waiting.parking import Parking
from sender.worker.commits import CommitEntry, Commits
from sender.worker.dispatcher import Dispatcher
from sender.worker.effects import Effects
from sender.worker.intake.intake import Intake
from sender.worker.parts import WorkerParts
from sender.worker.queued_events import QueuedEvents
from sender.worker.reader import Reader
from sender.worker.state import SessionState
from sender.worker.storage import Storage


class Session:
    """A `Reader` reads records, an `Intake` hands them on, a `Dispatcher` calls Meta, `Effects` apply the outcomes.

    `Commits` write them.

    **Invariants:**
    - `owner` is this session's alone: another session, even of this process, has another one.
    - A session that fails finishes and journals the calls under way first. A call that is cut off would be in doubt.
    - Nothing is committed after the first failure.
    """

    def __init__(self, kafka: PartitionSession, parts: WorkerParts) -> None:
        self.owner = uuid.uuid4().hex
        partition: int = next(iter(kafka.partitions)).partition
        bounds, rates = parts.limits.bounds, parts.rate_limits
        self._slot = kafka.slot
        self._stopping = kafka.stopping
        self._now = parts.delivery.now
        self._doubt_watcher = parts.doubt_watcher
        self._tasks = TaskSupervisor()
        self._commits = Commits(kafka, self._remove_parked, self._remove_scheduled)
        self.lanes: Lanes[Job] = Lanes(bounds, parts.virtual_clock, rates.pair_ready_at, rates.persons.name_of)
        self.state = state = SessionState(kafka, partition, self.lanes, self._commits, self._tasks)
        self._parking = Parking(parts.parking_writers, self.lanes, partition, state.in_doubt.__contains__, kafka.tried)
        self._adoption, self._dated_since = parts.adoption, parts.dated_since
        self._scheduler = parts.scheduler_of(partition, self._release_scheduled)
        queued_events = QueuedEvents(parts.delivery, self.lanes, bounds.long_seconds, state.in_doubt)
        storage = Storage(state, self._parking, self._scheduler, queued_events)
        effects = Effects(state, parts)
        self._intake = Intake(state, parts, storage, effects)
        self._reader = Reader(state, parts, self._intake)
        self._dispatcher = Dispatcher(state, parts, storage, effects, queued_events, self.owner)

    async def run(self) -> None:
        """Work until asked to stop; then finish the calls under way and commit. Raises what made it fail."""
        committing = self._tasks.start(self._commits.run(), f"commit {self._slot}")
        reading = self._tasks.start(self._read(), f"read {self._slot}")
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            ends: list[asyncio.Future[Any]] = [stopping, self._tasks.failed]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            self._abandon_after_failure()
            await cancel([reading])
            await self._dispatcher.finish_steps()
            self._abandon_after_failure()
            self._commits.close()
            await asyncio.wait([committing])
        finally:
            for send in self.state.in_doubt:
                self._doubt_watcher.remove(send.split("/")[0])
            await cancel([stopping, reading, committing, *self.state.steps])
            await self._tasks.dismiss()
            self._intake.close()
        self._tasks.raise_failure()

    def _abandon_after_failure(self) -> None:
        if self._tasks.failed.done():
            self._commits.abandon()

    async def _read(self) -> None:
        # Learn which lanes have parked sends, then which wait for a retry, before any later message of theirs is read.
        last_parked = await self._parking.begin()
        self.state.dated_since = await until_available(self._dated_since, self.state.kafka.tried)
        await self._reader.begin()
        dispatching = self._tasks.start(self._dispatcher.run(), f"dispatch {self._slot}")
        releasing = self._tasks.start(self._scheduler.run(), f"schedule {self._slot}")
        handing_on = self._tasks.start(self._intake.run(), f"intake {self._slot}")
        is_first = self.state.partition == 0
        adopting = self._tasks.start(self._adoption.run(self.state.partitions), "adopt") if is_first else None
        try:
            await self._reader.run(last_parked)
        finally:
            await cancel([dispatching, releasing, handing_on, adopting])

    def owns(self, chatbot_id: str) -> bool:
        """Whether this session has, or may have, the chatbot's sends."""
        return self.state.owns(chatbot_id)

    def release(self, chatbot_id: str) -> None:
        """The account has changed: let one of its sends try now."""
        self.lanes.holds.probe_now(chatbot_id, self._now().timestamp())
        self.state.changed.set()

    def retry_subject(self, chatbot_id: str, subject: str | None) -> None:
        """Let the sends go that wait for a template or kind."""
        self._tasks.start(self._scheduler.hasten(chatbot_id, subject), f"hasten {self._slot}")

    def look_again(self) -> None:
        """Meta is back: what was not called because of an outage may go."""
        self.state.changed.set()

    def _release_scheduled(self, record: Outgoing, send: tuple[str, str]) -> None:
        self._commits.write(CommitEntry((record,), released=send))

    def _remove_scheduled(self, sends: list[tuple[str, str]]) -> None:
        self._tasks.start(self._scheduler.removed(sends), f"released {self._slot}")

    def _remove_parked(self, sends: list[tuple[str, str]]) -> None:
        self._tasks.start(self._parking.remove(sends), f"unpark {self._slot}")
