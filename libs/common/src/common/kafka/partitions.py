"""Exclusive work on input partitions: read, act, then write results and offsets in one transaction.

FastStream has no transactions, and one Kafka `commit()` speaks for every partition at once, so this is built on
aiokafka itself (docs/decisions/0001). A `PartitionGroup` joins a consumer group and runs one `PartitionSession` per
*slot* of assigned partitions. A session

1. opens the slot's transactional producer, which fences a predecessor that was paused or cut off and finishes its
   open transaction;
2. only then reads the committed offsets, and seeks there: what the predecessor committed last is counted;
3. hands itself to the worker, which fetches and commits until the partitions are revoked.

Whatever goes wrong in a worker, the session is closed and opened again from the committed offsets, after a pause.
So a worker may raise at any point; it only has to make its own effects repeatable. Only `Halted` is final.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError, ProducerFenced

from common.kafka.counting import GroupReadings, note_read, note_written
from common.kafka.records import Outgoing
from common.kafka.writing import write_all
from common.tasks import cancel
from common.telemetry.metrics import SESSION_FAILURES, TRANSACTION_SECONDS

log = logging.getLogger(__name__)

Records = Mapping[TopicPartition, Sequence[ConsumerRecord[bytes, bytes]]]
Worker = Callable[["PartitionSession"], Awaitable[None]]

_PAUSES = (0.1, 0.3, 1.0, 3.0)  # seconds between attempts to open a session again
_CLOSE_SECONDS = 5.0


class Halted(Exception):
    """Raised by a worker that must not be started again before somebody has looked at why."""


@dataclass(eq=False)
class PartitionSession:
    """The right to one slot's partitions, from assignment to revocation.

    `stopping` is set when the worker should finish what it has begun and return; `fetch` then returns nothing.
    A worker that waits for something else calls `tried` after each attempt: it waits, and does not hang.
    `committed` are the offsets up to which all is finished, by partition.
    """

    slot: str
    partitions: frozenset[TopicPartition]
    group: str
    consumer: AIOKafkaConsumer
    producer: AIOKafkaProducer
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    on_progress: Callable[[], None] = lambda: None
    tried: Callable[[], None] = lambda: None
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    _fetching: set["asyncio.Task[Records]"] = field(default_factory=set)

    async def fetch(
        self, partitions: Collection[TopicPartition] = (), *, max_records: int, timeout_ms: int = 1_000
    ) -> Records:
        """The next records of these partitions (of all the slot's, by default), in order; empty when none came."""
        if self.stopping.is_set():
            return {}
        wanted = partitions or self.partitions
        task: asyncio.Task[Records] = asyncio.ensure_future(
            self.consumer.getmany(*wanted, timeout_ms=timeout_ms, max_records=max_records)
        )
        self._fetching.add(task)
        try:
            records: Records = await task
        except asyncio.CancelledError:
            # `stop` cancels only the fetch; a cancellation of the worker itself must go on.
            if self.stopping.is_set() and task.cancelled():
                return {}
            task.cancel()
            raise
        finally:
            self._fetching.discard(task)
        self.on_progress()
        note_read(records)
        return records

    async def commit(self, outgoing: Sequence[Outgoing], offsets: Mapping[TopicPartition, int]) -> None:
        """Write `outgoing` and commit `offsets` (the next to read) in one transaction: all of it or nothing.

        Raises `KafkaError`; the caller lets it pass, and the session starts again from what is committed.
        """
        if not outgoing and not offsets:
            return
        began = time.time_ns()
        with TRANSACTION_SECONDS.labels(self.group).time():
            async with self.producer.transaction():
                await write_all(self.producer, outgoing)
                if offsets:
                    await self.producer.send_offsets_to_transaction(dict(offsets), self.group)
        self.committed.update(offsets)
        note_written(outgoing, began)
        self.on_progress()

    def stop(self) -> None:
        """Ask the worker to finish; a waiting fetch returns at once (it would wait for the rebalance otherwise)."""
        self.stopping.set()
        for task in self._fetching:
            task.cancel()


class PartitionGroup(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """A consumer group member that runs `worker` once per slot of the partitions it is given.

    `slot_of` names the slot of a partition: partitions with one name share a producer and a session. It must be the
    same in every process of the group, for the name is part of the transactional id that fences.
    `drain_seconds` is how long a worker may take to finish after a revocation, before it is cancelled.
    """

    def __init__(
        self,
        *,
        group: str,
        topics: Iterable[str],
        make_consumer: Callable[[str], AIOKafkaConsumer],
        make_producer: Callable[[str], AIOKafkaProducer],
        worker: Worker,
        slot_of: Callable[[TopicPartition], str] = lambda tp: f"{tp.topic}-{tp.partition}",
        drain_seconds: float = 10.0,
        fenced_pause_seconds: float = 10.0,
    ) -> None:
        self._group = group
        self._topics = tuple(topics)
        self._make_consumer = make_consumer
        self._make_producer = make_producer
        self._worker = worker
        self._slot_of = slot_of
        self._drain_seconds = drain_seconds
        self._fenced_pause = fenced_pause_seconds
        self._consumer: AIOKafkaConsumer | None = None
        self._sessions: dict[str, PartitionSession] = {}
        self._slots: dict[str, _Slot] = {}
        self._joining: asyncio.Task[None] | None = None
        self._progress_at = 0.0
        self._alive_at = 0.0
        self._readings = GroupReadings(
            group,
            consumer=lambda: self._consumer,
            committed=self._committed,
            working=lambda: len(self.assignment),
            idle_seconds=self.idle_seconds,
        )

    async def start(self) -> None:
        """Begin to join the group; returns at once, and keeps trying while Kafka or a topic is away."""
        self._note_progress()
        self._joining = asyncio.create_task(self._join(), name=f"join {self._group}")
        self._readings.start()

    async def stop(self) -> None:
        """Let the workers finish, give the partitions back, leave the group."""
        self._leaving = True
        self._readings.stop()
        await cancel([self._joining])
        await self._close_slots()
        if self._consumer is not None:
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._consumer.stop()

    @property
    def ready(self) -> bool:
        """Whether the group has answered and every partition given to us is being worked on."""
        consumer = self._consumer
        return consumer is not None and self._assigned and len(self._sessions) == len(self._slots)

    async def reachable(self, seconds: float = 2.0) -> bool:
        """Whether a broker answers now."""
        if self._consumer is None:
            return False
        try:
            async with asyncio.timeout(seconds):
                await self._consumer.topics()
        except (KafkaError, TimeoutError):
            return False
        return True

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions being worked on now."""
        return frozenset(tp for session in self._sessions.values() for tp in session.partitions)

    def idle_seconds(self) -> float:
        """Seconds since any session last fetched or committed; grows when the poll loops hang, or wait for a store."""
        return time.monotonic() - self._progress_at if self._sessions else 0.0

    def stuck_seconds(self) -> float:
        """Seconds since any session last fetched, committed, began, failed or tried something in vain.

        While MongoDB is away it stays small: a new process would wait, too. It grows when attempts no longer end.
        """
        return time.monotonic() - self._alive_at if self._sessions else 0.0

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002  # all are, each time
        """Finish the running batches, so that the next owner starts behind them."""
        self._assigned = False
        await self._close_slots()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Start a session per slot; fetching waits until its producer is open."""
        if self._leaving:
            return  # a rebalance that ends while we leave: nobody would end what was begun now
        slots: dict[str, set[TopicPartition]] = {}
        for tp in assigned:
            slots.setdefault(self._slot_of(tp), set()).add(tp)
        if assigned and self._consumer is not None:
            self._consumer.pause(*assigned)
        self._slots = {name: _Slot(name, frozenset(tps)) for name, tps in slots.items()}
        for slot in self._slots.values():
            slot.task = asyncio.create_task(self._run(slot), name=f"{self._group} {slot.name}")
        self._assigned = True
        log.info("partitions assigned", extra={"group": self._group, "partitions": len(assigned)})

    _assigned = False
    _leaving = False

    async def _join(self) -> None:
        for attempt in range(1_000_000_000):
            consumer = self._make_consumer(self._group)
            try:
                await consumer.start()
                missing = set(self._topics) - await consumer.topics()
                if not missing:
                    self._consumer = consumer
                    consumer.subscribe(topics=self._topics, listener=self)
                    return
                log.warning("topics are missing, waiting for them", extra={"topics": sorted(missing)})
            except KafkaError as error:
                log.warning("Kafka is away, trying again", extra={"error": repr(error)})
            except asyncio.CancelledError:
                await consumer.stop()
                raise
            with suppress(KafkaError):
                await consumer.stop()
            await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])

    async def _run(self, slot: "_Slot") -> None:
        failures = 0
        while not slot.stopping.is_set():
            pause = _PAUSES[min(failures, len(_PAUSES) - 1)]
            self._note_life()
            try:
                await self._session(slot)
                failures = 0
                continue
            except Halted as halted:
                self._failed("halted")
                log.critical("halted", extra={"slot": slot.name, "error": str(halted)})
                await slot.stopping.wait()
                return
            except ProducerFenced:
                # Somebody else opened this slot, or our transaction took too long. If we lost the partition, the
                # heartbeats of the next seconds say so and we are revoked; opening at once would fence the new owner.
                self._failed("fenced")
                log.warning("fenced", extra={"slot": slot.name})
                pause = self._fenced_pause
            except Exception:
                self._failed("error")
                log.exception("a session failed; it starts again from the committed offsets", extra={"slot": slot.name})
            failures += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await slot.stopping.wait()

    async def _session(self, slot: "_Slot") -> None:
        consumer = self._consumer
        assert consumer is not None  # noqa: S101  # slots exist only after the consumer was subscribed
        producer = self._make_producer(f"{self._group}-{slot.name}")
        try:
            await producer.start()
            committed = {tp: await self._seek_to_committed(consumer, tp) for tp in slot.partitions}
            slot.committed = committed
            session = PartitionSession(
                slot.name,
                slot.partitions,
                self._group,
                consumer,
                producer,
                slot.stopping,
                self._note_progress,
                self._note_life,
                committed,
            )
            slot.session = self._sessions[slot.name] = session
            consumer.resume(*slot.partitions)
            await self._worker(session)
        finally:
            self._sessions.pop(slot.name, None)
            with suppress(Exception):  # partitions that are no longer ours cannot be paused, and need not be
                consumer.pause(*slot.partitions)
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await producer.stop()

    async def _seek_to_committed(self, consumer: AIOKafkaConsumer, tp: TopicPartition) -> int:
        committed: int | None = await consumer.committed(tp)
        if committed is None:
            committed = (await consumer.beginning_offsets([tp]))[tp]
        consumer.seek(tp, committed)
        return committed

    def _committed(self) -> dict[TopicPartition, int]:
        """Of every slot that is ours, also between two sessions: what fails again and again falls behind meanwhile."""
        return {tp: offset for slot in self._slots.values() for tp, offset in slot.committed.items()}

    def _failed(self, reason: str) -> None:
        SESSION_FAILURES.labels(self._group, reason).inc()

    async def _close_slots(self) -> None:
        slots, self._slots = self._slots, {}
        for slot in slots.values():
            slot.stop()
        tasks = [slot.task for slot in slots.values() if slot.task is not None]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._drain_seconds)
        for task in late:
            log.warning("a worker did not finish in time and is cancelled", extra={"worker": task.get_name()})
        await cancel(late)

    def _note_progress(self) -> None:
        self._progress_at = self._alive_at = time.monotonic()

    def _note_life(self) -> None:
        self._alive_at = time.monotonic()


@dataclass(eq=False)
class _Slot:
    name: str
    partitions: frozenset[TopicPartition]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None
    session: PartitionSession | None = None
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    """As the last session that was opened has it."""

    def stop(self) -> None:
        self.stopping.set()
        if self.session is not None:
            self.session.stop()
