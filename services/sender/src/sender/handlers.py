"""The sender's work on its partitions: read, keep lanes, start steps, commit what is finished."""

import asyncio
import logging
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from common.contracts import topics
from common.kafka.partitions import PartitionSession, Records
from common.kafka.records import Outgoing, read_headers
from sender import results
from sender.commits import Commits, Effect
from sender.crew import Crew, cancel
from sender.flow import Flow, Step
from sender.journal import Entry
from sender.lanes import Item, Lanes
from sender.outcomes import Dead, Defer, InDoubt, Retry, Sent
from sender.requests import Job, Letter, Position, read_record
from sender.settle import Watch

log = logging.getLogger(__name__)

_FETCH_RECORDS: Final = 500
_FULL_TIMEOUT_MS: Final = 100


@dataclass(slots=True)
class Limits:
    """Bounds in counts and seconds. `slots` are the calls in flight, shared by all sessions of the process."""

    slots: asyncio.Semaphore
    session_records: int
    drain_seconds: float


class SenderWorker:
    """Runs a session on each slot of partitions that this process is given (`PartitionGroup`'s worker)."""

    def __init__(self, flow: Flow, watch: Watch, limits: Limits) -> None:
        self._flow = flow
        self._watch = watch
        self._limits = limits
        self._sessions: set[_Session] = set()

    async def __call__(self, session: PartitionSession) -> None:
        """Work until the partitions are revoked or something fails."""
        running = _Session(session, self._flow, self._watch, self._limits)
        self._sessions.add(running)
        try:
            await running.run()
        finally:
            self._sessions.discard(running)

    def account_changed(self, chatbot_id: str) -> None:
        """What was held because of this account may be tried again."""
        for session in self._sessions:
            session.release(chatbot_id)


@dataclass(eq=False)
class _Session:
    kafka: PartitionSession
    flow: Flow
    watch: Watch
    limits: Limits
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)
    lanes: Lanes[Job] = field(default_factory=Lanes)
    steps: set["asyncio.Task[None]"] = field(default_factory=set)
    in_doubt: set[str] = field(default_factory=set)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.crew = Crew()
        self.commits = Commits(self.kafka)
        self.retries = [tp for tp in self.kafka.partitions if tp.topic != topics.SEND.name]
        self.partition: int = next(iter(self.kafka.partitions)).partition

    async def run(self) -> None:
        """Work until asked to stop; then finish the calls under way and commit. Raises what made it fail."""
        committing = self.crew.start(self.commits.run(), f"commit {self.kafka.slot}")
        reading = self.crew.start(self._read(), f"read {self.kafka.slot}")
        stopping = asyncio.ensure_future(self.kafka.stopping.wait())
        try:
            ends: list[asyncio.Future[Any]] = [stopping, self.crew.failed]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            await cancel([reading])
            # Calls under way are finished and journalled even when the session fails: cutting them off would put
            # every one of them in doubt.
            await self._finish_steps()
            self.commits.close(discard=self.crew.failed.done())
            await asyncio.wait([committing])
        finally:
            for journal_id in self.in_doubt:
                self.watch.remove(journal_id)
            await cancel([stopping, reading, committing, *self.steps])
        self.crew.raise_failure()

    def release(self, chatbot_id: str) -> None:
        """The account has changed."""
        self.lanes.release(chatbot_id, self._now())
        self.moved.set()

    async def _read(self) -> None:
        await self._read_backlog()
        dispatching = self.crew.start(self._dispatch(), f"dispatch {self.kafka.slot}")
        try:
            while not self.kafka.stopping.is_set():
                room = self.limits.session_records - self.lanes.size
                # Retries are read first and at all times: a flood of new messages must not make them late, and a
                # lane that expects one gives its place back by it.
                self._admit(await self._fetch_retries(0 if room > 0 else _FULL_TIMEOUT_MS))
                if room > 0:
                    self._admit(await self.kafka.fetch(max_records=min(room, _FETCH_RECORDS)))
        finally:
            await cancel([dispatching])

    async def _read_backlog(self) -> None:
        """Know which lanes wait for a retry, before any later message of theirs can be read."""
        consumer = self.kafka.consumer
        ends = await consumer.end_offsets(self.retries)
        while not self.kafka.stopping.is_set():
            if all([await consumer.position(tp) >= end for tp, end in ends.items()]):
                return
            self._admit(await self._fetch_retries(_FULL_TIMEOUT_MS))

    async def _fetch_retries(self, timeout_ms: int) -> Records:
        return await self.kafka.fetch(self.retries, max_records=_FETCH_RECORDS, timeout_ms=timeout_ms)

    def _admit(self, records: Records) -> None:
        for tp, batch in records.items():
            retried = tp.topic != topics.SEND.name
            for record in batch:
                self.commits.opened(tp, record.offset)
                position = Position(tp.topic, tp.partition, record.offset)
                read = read_record(position, record.value, read_headers(record.headers), retried=retried)
                if isinstance(read, Letter):
                    self.commits.write(Effect((results.dead_record(read, self.flow.now()),), tp, record.offset))
                else:
                    self._offer(read, tp, record.offset)
        if records:
            self.moved.set()

    def _offer(self, job: Job, partition: Any, offset: int) -> None:
        item = Item(
            id=job.journal_id,
            lane=job.lane,
            group=job.chatbot_id,
            order=job.origin.offset,
            attempt=job.attempts,
            partition=partition,
            offset=offset,
            payload=job,
            due=job.due,
        )
        superfluous = self.lanes.offer(item)
        if superfluous is not None:
            self.commits.write(Effect((), superfluous.partition, superfluous.offset))

    async def _dispatch(self) -> None:
        slots = self.limits.slots
        while True:
            await slots.acquire()
            item = self.lanes.take(self._now())
            if item is None:
                slots.release()
                await self._until_moved()
                continue
            task = self.crew.start(self._step(item), f"send {item.id}")
            self.steps.add(task)
            task.add_done_callback(self._step_done)

    async def _until_moved(self) -> None:
        due = self.lanes.next_due()
        wait = None if due is None else max(0.0, due - self._now())
        with suppress(TimeoutError):
            await asyncio.wait_for(self.moved.wait(), wait)
        self.moved.clear()

    async def _step(self, item: Item[Job]) -> None:
        job = item.payload
        look = item.attempt > 0 or item.strikes > 0 or item.id in self.in_doubt
        step = await self.flow.step(job, owner=self.owner, strikes=item.strikes, look=look)
        self._apply(item, step)

    def _step_done(self, task: "asyncio.Task[None]") -> None:
        self.steps.discard(task)
        self.limits.slots.release()
        self.moved.set()

    def _apply(self, item: Item[Job], step: Step) -> None:
        """Let the lane go on or wait, and write what the world should know."""
        job, entry, outcome = item.payload, step.entry, step.outcome
        if step.answered and not (isinstance(outcome, Defer) and outcome.hold):
            self.lanes.open(item.group)
        if not isinstance(outcome, InDoubt):
            self._end_doubt(item.id)
        match outcome:
            case Sent() | Dead():
                assert entry is not None  # noqa: S101  # an end is always recorded
                self._finish(item, results.result(job, entry, self.flow.now()), *_letters(job, entry))
            case Retry():
                assert entry is not None  # noqa: S101  # so is a failure
                self.lanes.expect(item, outcome.attempt)
                record = results.retry(job, entry, outcome, self.partition)
                self.commits.write(Effect((record,), item.partition, item.offset))
            case InDoubt():
                assert entry is not None  # noqa: S101  # so is a doubt
                if step.recorded:
                    self.commits.write(Effect((results.result(job, entry, self.flow.now()),)))
                self.in_doubt.add(item.id)
                self.watch.add(item.id, self._settled)
                self.lanes.block(item, outcome.until.timestamp())
            case Defer():
                item.strikes += 1
                if outcome.hold is not None:
                    self.lanes.hold(item.group, self._now(), outcome.hold.base, outcome.hold.cap)
                self.lanes.block(item, outcome.until.timestamp())

    def _finish(self, item: Item[Job], *outgoing: Outgoing) -> None:
        self.lanes.finish(item)
        self.commits.write(Effect(outgoing, item.partition, item.offset))

    def _settled(self, journal_id: str) -> None:
        self.lanes.wake(journal_id, self._now())
        self.moved.set()

    def _end_doubt(self, journal_id: str) -> None:
        if journal_id in self.in_doubt:
            self.in_doubt.discard(journal_id)
            self.watch.remove(journal_id)

    async def _finish_steps(self) -> None:
        if self.steps:
            _, late = await asyncio.wait(self.steps, timeout=self.limits.drain_seconds)
            await cancel(late)

    def _now(self) -> float:
        return self.flow.now().timestamp()


def _letters(job: Job, entry: Entry) -> tuple[Outgoing, ...]:
    return (results.dead_letter(job, entry),) if entry.letter else ()
