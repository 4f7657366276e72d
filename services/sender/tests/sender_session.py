"""A session of the sender on a partition that is in memory: real lanes, commits, parking and schedule; fakes around."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace

from aiokafka import TopicPartition

from common.contracts import sends, topics
from common.contracts.journal import Entry, State
from common.contracts.messages import MetaError
from common.telemetry.tenants import Tenants
from sender.clock import utc_now
from sender.dispatch.fair_queue import VirtualClock
from sender.dispatch.model import Bounds
from sender.limits.numbers import RateLimits
from sender.outcomes import Apart, Dead, Defer, InDoubt, Retry, Sent, StepResult
from sender.waiting.adoption import Adoption
from sender.waiting.parked_store import Waiting
from sender.waiting.parking import ParkingWriters
from sender.waiting.scheduler import ScheduleWriters
from sender.worker.dead_letters import DeadLetterCounts
from sender.worker.intake.read_ahead import ReadAheadBudget
from sender.worker.parts import Limits, WorkerParts
from sender.worker.permits import PrioritySemaphore
from sender.worker.worker import SenderWorker

SEND, RETRY, DLQ, RESULTS = topics.SEND.name, topics.SEND_RETRY_2S.name, topics.SEND_DLQ.name, topics.SEND_RESULTS.name
PARTITION = 0
AT = TopicPartition(SEND, PARTITION)
RETRY_AT = TopicPartition(RETRY, PARTITION)
PATIENT = Bounds(long_seconds=1_000.0)  # nothing waits so long that it is parked
ERROR = MetaError(code=131000, reason="something_went_wrong")
STATES = {
    Sent: State.ACCEPTED,
    Retry: State.RETRYING,
    InDoubt: State.IN_DOUBT,
    Defer: State.DEFERRED,
    Apart: State.DEFERRED,
}


async def until(condition, seconds=10.0):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


async def quiet(seconds=0.05):
    """Time in which something might happen that must not."""
    await asyncio.sleep(seconds)


class Kafka:
    """What a session knows of Kafka: records by partition, and transactions, whose records come back to be read."""

    slot, group = "0", "sender"

    def __init__(self, events):
        self.events = events
        self.partitions = frozenset(TopicPartition(topic.name, PARTITION) for topic in topics.SEND_FAMILY)
        self.consumer = self
        self.stopping = asyncio.Event()
        self.logs = defaultdict(list)
        self.at = dict.fromkeys(self.partitions, 0)
        self.count = 1  # of the send topic's partitions
        self.silent = Counter()  # how many fetches bring nothing of a partition, as a broker that is slow
        self.transactions = []
        self.open = asyncio.Event()
        self.open.set()
        self.error = None
        self.progress = self.tries = 0

    def add(self, tp, value, headers=(), key=b""):
        record = SimpleNamespace(
            offset=len(self.logs[tp]),
            key=key,
            value=value,
            headers=list(headers),
            timestamp=time.time_ns() // 1_000_000,
        )
        self.logs[tp].append(record)
        return record.offset

    def on_progress(self):
        self.progress += 1

    def tried(self):
        self.tries += 1

    async def end_offsets(self, partitions):
        return {tp: len(self.logs[tp]) for tp in partitions}

    async def position(self, tp):
        return self.at[tp]

    def partitions_for_topic(self, _topic):
        return set(range(self.count)) if self.count else None

    async def fetch(self, partitions=(), *, max_records, timeout_ms=1_000):  # noqa: ARG002  # as the real one
        await asyncio.sleep(0.001)  # as from a broker, nothing is there at once
        if self.stopping.is_set():
            return {}
        wanted = [tp for tp in partitions or self.partitions if self.silent[tp] <= 0]
        self.silent.subtract(partitions or self.partitions)
        found = {tp: self.logs[tp][self.at[tp] : self.at[tp] + max_records] for tp in wanted}
        found = {tp: records for tp, records in found.items() if records}
        for tp, records in found.items():
            self.at[tp] += len(records)
            self.events += [f"read {record.offset} of {tp.topic}" for record in records]
        return found

    async def commit(self, outgoing, offsets):
        await self.open.wait()
        if self.error is not None:
            raise self.error
        if not outgoing and not offsets:
            return
        self.transactions.append((list(outgoing), dict(offsets)))
        self.events.append("commit")
        for record in outgoing:
            tp = TopicPartition(record.topic, PARTITION if record.partition is None else record.partition)
            if tp in self.partitions:
                self.add(tp, record.value, record.headers, record.key.encode())

    @property
    def outgoing(self):
        return [record for records, _ in self.transactions for record in records]

    def to(self, topic):
        return [record for record in self.outgoing if record.topic == topic]

    @property
    def committed(self):
        return {tp: offset for _, offsets in self.transactions for tp, offset in offsets.items()}

    def results(self, *, waiting=False):
        """How sends have ended, or stand with Meta; with `waiting`, what was told of those put into a store."""
        told = [json.loads(record.value) for record in self.to(RESULTS)]
        return [result for result in told if _is_stored(result) == waiting]


def _is_stored(result):
    return result["type"] == sends.QUEUED and result["data"]["attempts"] == 0


class Steps:
    """In the place of `Delivery`: says what each step of a send comes to. `answer` is told of the job and which step."""

    def __init__(self, events):
        self.events = events
        self.taken = []
        self.answer = lambda _job, _nth: Sent("wamid.1")
        self.accounts = {}
        self.calls_meta = lambda _job: True
        self.now = utc_now
        self.breaker = Breaker(events)
        self.recorded = self.answered = True
        self.contested = lambda _job: False
        self.letter = True

    async def step(self, job, *, owner, strikes, look, doubted, calling, ends=None):
        self.taken.append(
            SimpleNamespace(id=job.message_id, job=job, owner=owner, strikes=strikes, look=look, doubted=doubted)
        )
        self.events.append(f"step {job.message_id}")
        outcome = Dead(ends) if ends is not None else self.answer(job, self.ids.count(job.message_id))
        if asyncio.iscoroutine(outcome):
            outcome = await outcome
        if isinstance(outcome, Exception):
            raise outcome
        if self.calls_meta(job):
            with calling():
                await asyncio.sleep(0)
        return StepResult(
            outcome,
            self._entry(job, outcome),
            recorded=self.recorded,
            answered=self.answered,
            contested=self.contested(job),
        )

    @property
    def ids(self):
        return [taken.id for taken in self.taken]

    def _entry(self, job, outcome):
        now = utc_now()
        return Entry(
            id=job.journal_id,
            state=STATES.get(type(outcome)) or outcome.state,
            attempt=job.attempts + 1,
            token="t",
            owner="o",
            at=now,
            created_at=now,
            chatbot_id=job.chatbot_id,
            message_id=job.message_id,
            to=job.to,
            phone_number_id="15",
            error=getattr(outcome, "error", None),
            wamid=getattr(outcome, "wamid", None),
            letter=isinstance(outcome, Dead) and outcome.letter,
            first_failed_at=now,
            due=getattr(outcome, "due", None),
            apart=getattr(outcome, "subject", ""),
        )


class Breaker:
    """Says how long to wait, and keeps what it is told."""

    def __init__(self, events):
        self.events = events
        self.away = self.away_since = 0.0
        self.under_way = set()

    def wait(self, _now):
        return self.away

    def away_for(self, now):
        return now - self.away_since if self.away else 0.0

    def began(self, send):
        self.events.append("began")
        self.under_way.add(send)

    def ended(self, send, _now):
        self.events.append("ended")
        self.under_way.discard(send)


class Limit:
    """Of dead letters: keeps what it is told of finished records, and of whose they were."""

    def __init__(self):
        self.noted = []
        self.tenants = []
        self.error = None

    def note(self, *, letters, now, tenant):
        assert abs(now - time.time()) < 60
        self.tenants.append(tenant)
        if self.error is not None and letters:
            raise self.error
        self.noted.append(int(letters))


class Watch:
    """Keeps who waits for what."""

    def __init__(self):
        self.waiting = {}

    def add(self, journal_id, on_settled):
        self.waiting[journal_id] = on_settled

    def remove(self, journal_id):
        self.waiting.pop(journal_id, None)


class ParkStore:
    """Parked sends in memory."""

    def __init__(self, events):
        self.events = events
        self.sends = {}
        self.gate = asyncio.Event()
        self.gate.set()

    async def park(self, sends):
        await self.gate.wait()
        self.events.append("park")
        self.sends.update({send.id: send for send in sends})
        return [None] * len(sends)

    async def postpone(self, sends):
        self.events.append("postpone")
        return [None] * len(sends)

    async def remove(self, sends):
        self.events.append("unpark")
        for key, token in sends:
            if key in self.sends and self.sends[key].token == token:
                del self.sends[key]
        return [None] * len(sends)

    async def has_beyond(self, partitions):
        return any(send.record.partition >= partitions for send in self.sends.values())

    async def first(self, _partition, lane, after, limit):
        self.events.append("load")
        found = (send for send in self.sends.values() if send.lane == lane and send.order > after)
        return sorted(found, key=lambda send: send.order)[:limit]

    async def next_of_backlog(self, _partition, group, after, upto, limit):
        found = (s for s in self.sends.values() if s.backlog and s.group == group and after < s.order <= upto)
        return sorted(found, key=lambda send: send.order)[:limit]

    async def backlogs(self, _partition):
        groups = defaultdict(list)
        for send in self.sends.values():
            if send.backlog:
                groups[send.group].append(send.order)
        return [(group, max(orders)) for group, orders in groups.items()]

    async def named(self, _partition):
        return list({(send.named, send.lane, send.group) for send in self.sends.values() if send.named})

    async def waiting(self, _partition):
        lanes = defaultdict(list)
        for send in self.sends.values():
            if not send.backlog:
                lanes[send.lane].append(send)
        return [
            Waiting(name, sends[0].group, sends[0].due, sends[0].in_doubt, max(send.order for send in sends))
            for name, sends in lanes.items()
        ]


class ScheduleStore:
    """Scheduled sends in memory."""

    def __init__(self, events):
        self.events = events
        self.sends = {}
        self.gate = asyncio.Event()
        self.gate.set()

    async def put(self, sends):
        await self.gate.wait()
        self.events.append("put off")
        for send in sends:
            stands = self.sends.get(send.id)
            if stands is None or send.again or stands.record.offset >= send.record.offset:
                self.sends[send.id] = send
        return [None] * len(sends)

    async def hasten_apart(self, _partition, chatbot, subject):
        for send in list(self.sends.values()):
            if send.apart is not None and send.apart[0] == chatbot and subject in {None, send.apart[1]}:
                self.sends[send.id] = replace(send, due=0.0)

    async def beyond(self, partitions, limit):
        return [send for send in self.sends.values() if send.record.partition >= partitions][:limit]

    async def move(self, sends):
        self.sends.update({send.id: send for send in sends})

    async def due_by(self, _partition, moment, limit):
        return sorted((s for s in self.sends.values() if s.due <= moment), key=lambda send: send.due)[:limit]

    async def remove(self, sends):
        self.events.append("removed")
        for key, token in sends:
            if key in self.sends and self.sends[key].token == token:
                del self.sends[key]
        return [None] * len(sends)


class World:
    """One session, and all that it works with. `events` tells in order what was done."""

    def __init__(self, *, bounds=None, slots=10, drain=5.0, read_ahead=1 << 20):
        self.events = []
        self.kafka = Kafka(self.events)
        self.flow = Steps(self.events)
        self.watch, self.letters = Watch(), Limit()
        self.accounts = {"b": SimpleNamespace()}
        tenants = Tenants(10)
        self.parked, self.scheduled = ParkStore(self.events), ScheduleStore(self.events)
        self.paces = RateLimits(lambda _: "", {"free": 1.0}, rate=1_000.0, max_running=100)
        self.lately = []
        self.slots = PrioritySemaphore(slots)
        self.ahead = ReadAheadBudget(read_ahead)
        self.limits = Limits(permits=self.slots, bounds=bounds or PATIENT, drain_seconds=drain, read_ahead=self.ahead)
        self.parker, self.scheduler = ParkingWriters(self.parked), ScheduleWriters(self.scheduled)
        self.worker = SenderWorker(
            WorkerParts(
                delivery=self.flow,
                doubt_watcher=self.watch,
                parking_writers=self.parker,
                dead_letters=DeadLetterCounts(self.letters, self.accounts, tenants),
                limits=self.limits,
                rate_limits=self.paces,
                virtual_clock=VirtualClock(self.paces.share_of),
                recent_sends=SimpleNamespace(read=self.read_lately),
                scheduler_of=self.scheduler.of_partition,
                adoption=Adoption(self.scheduled, self.parked),
                dated_since=self.read_dated_since,
                tenants=tenants,
            )
        )
        self.dated_since = 0.0

    async def read_dated_since(self):
        return self.dated_since

    async def read_lately(self):
        return self.lately

    def ask(self, message_id, *, to=1, bot="b", headers=(), tp=AT, **fields):
        """A request on the topic; its offset."""
        recipient = to if isinstance(to, str) else f"+49151000000{to:02}"
        body = {"chatbotId": bot, "to": recipient, "message": "hi", "messageId": message_id, **fields}
        return self.kafka.add(tp, json.dumps(body).encode(), headers, bot.encode())

    @property
    def session(self):
        (session,) = self.worker.sessions
        return session

    def start(self):
        return asyncio.create_task(self.worker(self.kafka))

    async def stop(self, running):
        """Have the session end; what made it fail is raised."""
        self.kafka.stopping.set()
        async with asyncio.timeout(10):
            await running

    @asynccontextmanager
    async def running(self):
        running = self.start()
        try:
            await until(lambda: self.worker.sessions or running.done())
            yield
        finally:
            await self.stop(running)
            await self.parker.close()
            await self.scheduler.close()

    async def until_done(self, *message_ids):
        """Until there are results of these."""

        def told():
            return {result["data"]["messageId"] for result in self.kafka.results()} >= set(message_ids)

        await until(told)
