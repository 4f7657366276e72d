"""One slot of a group member: its sessions one after another, each from the committed offsets.

A session

1. opens the slot's transactional producer, which fences a predecessor that was paused or cut off and finishes its
   open transaction;
2. only then reads the committed offsets, and seeks there: what the predecessor committed last is counted;
3. hands itself to the worker, which fetches and commits until the partitions are revoked.

When a worker raises, its session is closed and the next one opened from the committed offsets, after a pause. So a
worker may raise at any point; it only has to make its own effects repeatable.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from common.kafka.consume.partition_session import Halted, PartitionSession, Worker
from common.kafka.errors import is_away
from common.telemetry.metrics import SESSION_FAILURES
from common.telemetry.outages import KAFKA

log = logging.getLogger(__name__)

PAUSES: Final = (0.1, 0.3, 1.0, 3.0)
"""Seconds between attempts, the last for all that follow."""

CLOSE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class SlotParts:
    """What the slots of a member share.

    A slot calls `on_progress` when a session fetched or committed, `on_life` when an attempt began or ended, `on_open`
    when a session is open, and `on_halt` when a worker raised `Halted`. `sessions` has the open sessions, by slot.
    """

    group: str
    make_producer: Callable[[str], AIOKafkaProducer]
    worker: Worker
    fenced_pause: float
    sessions: dict[str, PartitionSession]
    on_progress: Callable[[], None]
    on_life: Callable[[], None]
    on_open: Callable[[], None]
    on_halt: Callable[[], None]


@dataclass(eq=False)
class Slot:
    """Works on its partitions from `run` to `stop`. `committed` is as the last session that was opened has it."""

    name: str
    partitions: frozenset[TopicPartition]
    consumer: AIOKafkaConsumer
    parts: SlotParts
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    _session: PartitionSession | None = None

    def start(self) -> None:
        """Begin; returns at once."""
        self.task = asyncio.create_task(self._run(), name=f"{self.parts.group} {self.name}")

    def stop(self) -> None:
        """Ask the worker to finish; the task ends when it has."""
        self.stopping.set()
        if self._session is not None:
            self._session.stop()

    async def _run(self) -> None:
        failures = 0
        while not self.stopping.is_set():
            pause = PAUSES[min(failures, len(PAUSES) - 1)]
            self.parts.on_life()
            try:
                await self._work()
                failures = 0
                continue
            except Halted as halted:
                self._failed("halted")
                log.critical("halted", extra={"slot": self.name, "error": str(halted)})
                self.parts.on_halt()
                await self.stopping.wait()
                return
            except ProducerFenced:
                # Another process opened this slot, or our transaction took too long. If we lost the partition, the
                # heartbeats of the next seconds say so and we are revoked; opening at once would fence the new owner.
                self._failed("fenced")
                log.warning("fenced", extra={"slot": self.name})
                pause = self.parts.fenced_pause
            except Exception as error:
                self._failed("error")
                said = "a session failed; it starts again from the committed offsets"
                if isinstance(error, KafkaError) and is_away(error):
                    KAFKA.failed(log, said, slot=self.name, error=repr(error))
                else:
                    log.exception(said, extra={"slot": self.name})
            failures += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.stopping.wait()

    async def _work(self) -> None:
        parts, consumer = self.parts, self.consumer
        producer = parts.make_producer(f"{parts.group}-{self.name}")
        try:
            await producer.start()
            self.committed = {tp: await self._seek_to_committed(consumer, tp) for tp in self.partitions}
            session = PartitionSession(
                self.name,
                self.partitions,
                parts.group,
                consumer,
                producer,
                self.stopping,
                parts.on_progress,
                parts.on_life,
                self.committed,
            )
            self._session = parts.sessions[self.name] = session
            parts.on_open()
            consumer.resume(*self.partitions)
            await parts.worker(session)
        finally:
            parts.sessions.pop(self.name, None)
            with suppress(Exception):  # partitions that are no longer ours cannot be paused, and need not be
                consumer.pause(*self.partitions)
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await producer.stop()

    async def _seek_to_committed(self, consumer: AIOKafkaConsumer, tp: TopicPartition) -> int:
        committed: int | None = await consumer.committed(tp)
        if committed is None:
            committed = (await consumer.beginning_offsets([tp]))[tp]
        consumer.seek(tp, committed)
        return committed

    def _failed(self, reason: str) -> None:
        SESSION_FAILURES.labels(self.parts.group, reason).inc()
