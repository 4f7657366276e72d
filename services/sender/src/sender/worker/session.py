"""The sender's work on its partitions: read, keep lanes, start steps, commit what is finished."""

import asyncio
import logging
import time
import uuid
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any, Final

from common.contracts import topics
from common.kafka.consume.partitions import PartitionSession, Records
from common.kafka.records import Outgoing
from common.kafka.wire.partitioner import partition_of
from common.tasks import cancel
from common.telemetry import spans
from sender import telemetry
from sender.delivery import results
from sender.delivery.core import is_pair_limit, is_too_fast
from sender.dispatch.lanes import Lanes
from sender.dispatch.model import Item, Load, LoadBacklog, Wait
from sender.journal.content import differs, digest_of
from sender.journal.entry import Entry
from sender.limits.numbers import Reservation
from sender.outcomes import Apart, Dead, Defer, Hold, InDoubt, Retry, Sent, StepResult
from sender.records.headers import SET_ASIDE
from sender.records.job import Job
from sender.retrying import until_available
from sender.waiting.parking import Parking
from sender.worker.commits import CommitEntry, Commits
from sender.worker.intake import judge
from sender.worker.parts import WorkerParts
from sender.worker.task_supervisor import TaskSupervisor
from sender.worker.telling import Telling

log = logging.getLogger(__name__)

_FETCH_RECORDS: Final = 500
_TOGETHER_SECONDS: Final = 0.03
"""Where records come in company they are read in company: each reading has its price."""

_BACKLOG_TIMEOUT_MS: Final = 100
_AWAY_POLL_SECONDS: Final = 0.25
_ALIVE_SECONDS: Final = 5.0


class SenderWorker:
    """Runs a session on each slot of partitions that this process is given (`PartitionGroup`'s worker).

    `sessions` are those that run now, for `SenderGauges`.
    """

    def __init__(self, tools: WorkerParts) -> None:
        self._tools = tools
        self.sessions: set[_Session] = set()

    async def __call__(self, session: PartitionSession) -> None:
        """Work until the partitions are revoked or something fails."""
        running = _Session(session, self._tools)
        self.sessions.add(running)
        try:
            await running.run()
        finally:
            self.sessions.discard(running)

    def account_changed(self, chatbot_id: str) -> None:
        """What was held because of this account may be tried again."""
        for session in self.sessions:
            session.release(chatbot_id)

    def is_held(self, chatbot_id: str) -> bool:
        """Whether Meta refuses the chatbot's number or token, as far as this process knows."""
        now = self._tools.flow.now().timestamp()
        return any(session.lanes.is_held(chatbot_id, now) for session in self.sessions)

    def taken_again(self, chatbot_id: str, subject: str | None) -> None:
        """Meta takes a template or kind that it had refused (None: perhaps any of the chatbot's)."""
        for session in self.sessions:
            if session.owns(chatbot_id):
                session.hasten(chatbot_id, subject)

    def meta_is_back(self) -> None:
        """What was not called because of an outage may go."""
        for session in self.sessions:
            session.moved.set()


class _Session:
    """One slot, from its assignment to its revocation."""

    def __init__(self, kafka: PartitionSession, tools: WorkerParts) -> None:
        self.kafka = kafka
        self.tools = tools
        self.flow = tools.flow
        self.owner = uuid.uuid4().hex
        self.partition: int = next(iter(kafka.partitions)).partition
        self.retries = [tp for tp in kafka.partitions if tp.topic != topics.SEND.name]
        self.partitions: int | None = None
        self.lanes: Lanes[Job] = Lanes(
            tools.limits.bounds, tools.shares, tools.paces.pair_ready_at, tools.paces.persons.named
        )
        self.in_doubt: dict[str, str] = {}  # the lane of each send that is
        long_seconds = tools.limits.bounds.long_seconds
        self.telling = Telling(tools.flow, self.lanes, long_seconds, self.in_doubt)
        self.parking = Parking(tools.parker, self.lanes, self.partition, self.in_doubt.__contains__, kafka.tried)
        self.crew = TaskSupervisor()
        self.commits = Commits(kafka, self._unparked, self._released)
        self.schedule = tools.schedules(self.partition, self._release)
        self.steps: set[asyncio.Task[None]] = set()
        self.moved = asyncio.Event()
        self.loop = asyncio.get_running_loop()

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
            for send in self.in_doubt:
                self.tools.watch.remove(send.split("/")[0])
            await cancel([stopping, reading, committing, *self.steps])
            await self.crew.dismiss()
        self.crew.raise_failure()

    def owns(self, chatbot_id: str) -> bool:
        """Whether the chatbot's sends are here. Until Kafka has told how many partitions there are, any may be."""
        partitions = self._partitions()
        return not partitions or partition_of(chatbot_id, partitions) == self.partition

    def release(self, chatbot_id: str) -> None:
        """The account has changed."""
        self.lanes.release(chatbot_id, self._now())
        self.moved.set()

    def hasten(self, chatbot_id: str, subject: str | None) -> None:
        """What waits for a template or kind may go."""
        self.crew.start(self.schedule.hasten(chatbot_id, subject), f"hasten {self.kafka.slot}")

    async def _read(self) -> None:
        # Know which lanes have parked sends, then which wait for a retry, before any later message of theirs is read.
        known = await self.parking.begin()
        await self._learn_paces()
        await self._read_backlog()
        sends = next(tp for tp in self.kafka.partitions if tp.topic == topics.SEND.name)
        end = (await self.kafka.consumer.end_offsets([sends]))[sends]
        dispatching = self.crew.start(self._dispatch(), f"dispatch {self.kafka.slot}")
        releasing = self.crew.start(self.schedule.run(), f"schedule {self.kafka.slot}")
        try:
            while not self.kafka.stopping.is_set():
                if self.lanes.shelf.is_behind and await self.kafka.consumer.position(sends) > min(known, end - 1):
                    self.lanes.shelf.caught_up()
                    self.moved.set()
                # Retries are read first: a flood of new messages must not make them late.
                await self._admit(await self._fetch_retries(0))
                found = await self.kafka.fetch(max_records=_FETCH_RECORDS)
                await self._admit(found)
                if 1 < sum(map(len, found.values())) < _FETCH_RECORDS:
                    await asyncio.sleep(_TOGETHER_SECONDS)
        finally:
            await cancel([dispatching, releasing])

    async def _learn_paces(self) -> None:
        lately = await until_available(self.tools.recent.read, self.kafka.tried)
        self.tools.paces.learn([sent for sent in lately if self.owns(sent.chatbot_id)], self._now())

    async def _read_backlog(self) -> None:
        consumer = self.kafka.consumer
        ends = await consumer.end_offsets(self.retries)
        while not self.kafka.stopping.is_set():
            if all([await consumer.position(tp) >= end for tp, end in ends.items()]):
                return
            await self._admit(await self._fetch_retries(_BACKLOG_TIMEOUT_MS))

    async def _fetch_retries(self, timeout_ms: int) -> Records:
        return await self.kafka.fetch(self.retries, max_records=_FETCH_RECORDS, timeout_ms=timeout_ms)

    async def _admit(self, records: Records) -> None:
        parked: list[Item[Job]] = []
        scheduled: list[tuple[Any, Job]] = []
        partitions, now = self._partitions(), self.flow.now()
        for tp, batch in records.items():
            for record in batch:
                self.commits.opened(tp, record.offset)
                judged = judge(tp, record, partitions=partitions, now=now, sampled=spans.chosen())
                if isinstance(judged, Outgoing):
                    if judged.topic == topics.SEND_DLQ.name:
                        self.tools.letters.not_understood(now.timestamp())
                    self.commits.write(CommitEntry((judged,), tp, record.offset))
                elif isinstance(judged, Job):
                    scheduled.append((tp, judged))
                elif self.lanes.park(judged):
                    parked.append(judged)
                else:
                    self._drop(self.lanes.offer(judged))
        if records:
            self.moved.set()
        if parked:
            await self._park(parked)
        if scheduled:
            await self._put_off(scheduled)

    def _partitions(self) -> int | None:
        """How many the send topic has; the last answer while Kafka gives none."""
        known = self.kafka.consumer.partitions_for_topic(topics.SEND.name)
        if known:
            self.partitions = len(known)
        return self.partitions

    def _drop(self, item: Item[Job] | None) -> None:
        """Another record speaks for this send."""
        if item is not None:
            self._write(item)

    async def _park(self, items: Sequence[Item[Job]]) -> None:
        """In the store they are safe; so their records are finished."""
        fresh = [item for item in items if item.parked is None]
        self.telling.explain(fresh)
        await self._store(self.parking.park(items))
        for item in fresh:
            self.commits.write(CommitEntry(self.telling.of_parked(item), item.partition, item.offset))
        self.moved.set()

    async def _put_off(self, sends: Sequence[tuple[Any, Job]]) -> None:
        """Until their time comes; in the store they are safe, too."""
        await self._store(self.schedule.put([job for _, job in sends]))
        for tp, job in sends:
            self.commits.write(CommitEntry(self.telling.of_scheduled(job), tp, job.position.offset))

    async def _store(self, write: Coroutine[Any, Any, None]) -> None:
        writing = self.crew.start(write, f"store {self.kafka.slot}")
        while not writing.done():
            # While MongoDB is away nothing is read, and that is no reason to restart us.
            self.kafka.on_progress()
            await asyncio.wait([writing], timeout=_ALIVE_SECONDS)
        await writing

    def _release(self, record: Outgoing, send: tuple[str, str]) -> None:
        self.commits.write(CommitEntry((record,), released=send))

    def _released(self, sends: list[tuple[str, str]]) -> None:
        self.crew.start(self.schedule.removed(sends), f"released {self.kafka.slot}")

    def _sweep(self) -> None:
        """Have parked what the lanes have given up."""
        leaving = self.lanes.shelf.leaving()
        if leaving:
            self.crew.start(self._park(leaving), f"park {self.kafka.slot}")

    def _unparked(self, sends: list[tuple[str, str]]) -> None:
        self.crew.start(self.parking.remove(sends), f"unpark {self.kafka.slot}")

    async def _dispatch(self) -> None:
        slots, breaker = self.tools.limits.slots, self.flow.breaker
        while True:
            await slots.acquire(self.lanes.urgency)
            away = breaker.wait(self._now())
            found = self.lanes.take(self._now()) if not away else None
            self._sweep()
            if not isinstance(found, Item):
                slots.release()
                if found is None:
                    for told in self.telling.of_outage():
                        self.commits.write(CommitEntry((told,)))
                    await self._until_moved(away)
                else:
                    self.crew.start(self._load(found), f"load {self.kafka.slot}")
                continue
            breaker.began(found.id)
            task = self.crew.start(self._step(found), f"send {found.id}")
            self.steps.add(task)
            task.add_done_callback(partial(self._step_done, found.id))

    async def _until_moved(self, away: float) -> None:
        due = self.lanes.next_due()
        # In an outage another session's probe may end without a word to this one.
        wait = min(away, _AWAY_POLL_SECONDS) or (None if due is None else max(0.0, due - self._now()))
        timer = None if wait is None else self.loop.call_later(wait, self.moved.set)
        try:
            await self.moved.wait()
        finally:
            if timer is not None:
                timer.cancel()
        self.moved.clear()

    async def _load(self, load: Load | LoadBacklog) -> None:
        loading = self.parking.load(load) if isinstance(load, Load) else self.parking.load_backlog(load)
        for superfluous in await loading:
            self._drop(superfluous)
        self.moved.set()

    async def _step(self, item: Item[Job]) -> None:
        job, began = item.payload, time.time_ns()
        spans.follow(job.trace)
        known = item.attempt > 0 or item.strikes > 0 or item.parked is not None or job.replay > 0
        known = known or SET_ASIDE in job.headers
        doubted = item.id in self.in_doubt
        look = known or doubted
        ends = self.lanes.ends(item, self._now())
        ticket = Reservation(self.tools.paces.number(item.group), paced=item.paced)
        try:
            step = await self.flow.step(
                job, owner=self.owner, strikes=item.strikes, look=look, doubted=doubted, ends=ends, calling=ticket.used
            )
        finally:
            ticket.close()
        if step.contested:
            self.commits.prove()
        if isinstance(step.outcome, Apart):
            # Before the lane goes on: until it is in the store, its record is all that there is of it.
            await self.schedule.set_aside(job, step.outcome.due.timestamp(), step.outcome.subject)
        self._apply(item, step)
        telemetry.note_step(job, step, self.tools.tenants, self.kafka.group, began)
        self.tools.endings.note(job, step)
        self._sweep()

    def _step_done(self, send: str, task: "asyncio.Task[None]") -> None:
        self.steps.discard(task)
        self.flow.breaker.ended(send, self._now())
        self.tools.limits.slots.release()
        self.moved.set()

    def _apply(self, item: Item[Job], step: StepResult) -> None:  # noqa: C901  # one branch per outcome
        """Let the lane go on or wait, and write what the world should know."""
        job, entry, outcome = item.payload, step.entry, step.outcome
        if step.answered and not (isinstance(outcome, Defer) and outcome.hold):
            self.lanes.open(item.group)
        if not isinstance(outcome, InDoubt):
            self._end_doubt(item)
        self._keep_pace(item, step)
        if isinstance(outcome, Sent) and step.recorded:
            self.tools.paces.met(job.chatbot_id, job.to, outcome.contact)
        match outcome:
            case Sent() | Dead():
                assert entry is not None  # noqa: S101  # an end is always recorded
                self.tools.letters.ended(job.chatbot_id, entry, self._now())
                self.lanes.finish(item)
                self._tell_end(item, entry, recorded=step.recorded)
            case Retry():
                assert entry is not None  # noqa: S101  # so is a failure
                self.lanes.expect(item, outcome.attempt)
                self._write(item, results.retry(job, entry, outcome, self.partition))
            case Apart():
                self.lanes.finish(item)
                self._write(item, *results.waiting(job, step, self.flow.now()))
            case InDoubt():
                assert entry is not None  # noqa: S101  # so is a doubt
                if step.recorded:
                    self.commits.write(CommitEntry((results.result(job, entry, self.flow.now()),)))
                self.in_doubt[item.id] = item.lane
                self.tools.watch.add(job.journal_id, partial(self._settled, item.id))
                self.lanes.block(item, outcome.until.timestamp(), self._now())
            case Defer():
                item.strikes += 1
                item.wait = Wait(outcome.until.timestamp(), outcome.error) if outcome.error is not None else None
                if (hold := outcome.hold) is not None:
                    self._hold(item, step, hold)
                self.lanes.block(item, outcome.until.timestamp(), self._now())

    def _tell_end(self, item: Item[Job], entry: Entry, *, recorded: bool) -> None:
        """How it ended; or that its id belongs to another content, whose results are its own to tell."""
        job, now = item.payload, self.flow.now()
        if not recorded and differs(entry, digest_of(job.body)):
            log.info(
                "another content has this message id", extra={"journal_id": entry.id, "chatbot_id": job.chatbot_id}
            )
            self._write(item, results.duplicate(job, entry, now))
            return
        letters = (results.dead_letter(job, entry),) if entry.letter else ()
        self._write(item, results.result(job, entry, now), *letters)

    def _hold(self, item: Item[Job], step: StepResult, hold: Hold) -> None:
        """Have the number wait; the producer learns of the first time that this message is refused with it."""
        reason = item.wait.error if item.wait is not None else None
        self.lanes.hold(item.group, self._now(), hold.base, hold.cap, refused=hold.refused, reason=reason)
        if hold.refused and item.strikes == 1 and step.recorded and step.entry is not None:
            due = self.lanes.until(item.group)
            item.told = step.entry.error.reason if step.entry.error is not None else None
            self.commits.write(CommitEntry((results.result(item.payload, step.entry, self.flow.now(), due=due),)))

    def _keep_pace(self, item: Item[Job], step: StepResult) -> None:
        paces, outcome = self.tools.paces, step.outcome
        if item.paced and step.recorded and isinstance(outcome, Sent | InDoubt):
            paces.taken(item.lane, self._now())
        elif isinstance(outcome, Defer) and is_too_fast(outcome.error):
            paces.number(item.group).too_fast(self._now())
        elif isinstance(outcome, Defer) and step.answered and is_pair_limit(outcome.error):
            paces.pair_refused(item.lane, self._now())

    def _write(self, item: Item[Job], *outgoing: Outgoing) -> None:
        """What a record, or a parked send, has led to; with that it is finished."""
        parked = (item.id, item.parked) if item.parked is not None else None
        if parked is not None:
            self.lanes.shelf.leaves_over(parked[1])
        self.commits.write(CommitEntry(outgoing, item.partition, item.offset, parked))

    def _settled(self, send: str, _journal_id: str) -> None:
        lane = self.in_doubt.get(send)
        if lane is not None:
            self.lanes.wake(send, lane, self._now())
            self.moved.set()

    def _end_doubt(self, item: Item[Job]) -> None:
        if self.in_doubt.pop(item.id, None) is not None:
            self.tools.watch.remove(item.payload.journal_id)

    async def _finish_steps(self) -> None:
        if self.steps:
            _, late = await asyncio.wait(self.steps, timeout=self.tools.limits.drain_seconds)
            await cancel(late)

    def _now(self) -> float:
        return self.flow.now().timestamp()
