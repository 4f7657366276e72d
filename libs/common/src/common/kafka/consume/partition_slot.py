"""One slot of a group member: its sessions one after another, each from the committed offsets.

A session

1. gets the assignment's producer, which has fenced the predecessors and finished their open transactions
   (`assignment`);
2. only then seeks to the committed offsets: what a predecessor committed last is counted;
3. hands itself to the worker, which fetches and commits until the partitions are revoked.

When a worker raises, its session is closed and the next one opened from the committed offsets, after a pause. So a
worker may raise at any point; it only has to make its own effects repeatable. When a transaction fails, all sessions of
the assignment end like this, because they share its producer.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from common.kafka.consume.assignment import Assignment
from common.kafka.consume.committer import StaleSession
from common.kafka.consume.partition_session import Halted, PartitionSession, Worker
from common.kafka.errors import is_away
from common.kafka.wire.broker_errors import FENCED
from common.telemetry.metrics import SESSION_FAILURES
from common.telemetry.outages import KAFKA

log = logging.getLogger(__name__)

PAUSES: Final = (0.1, 0.3, 1.0, 3.0)
"""Seconds between attempts, the last for all that follow."""


@dataclass(frozen=True, slots=True)
class SlotParts:
    """What the slots of a member share.

    A slot calls `on_progress` when a session fetched or committed, `on_life` when an attempt began or ended, `on_open`
    when a session is open, and `on_halt` when a worker raised `Halted`. `sessions` has the open sessions, by slot.
    """

    group: str
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
    assignment: Assignment
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

    def renew(self) -> None:
        """If the session's producer has failed, ask the worker to finish. The next session gets another producer."""
        if self._session is not None and not self._session.committer.usable:
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
            except StaleSession:
                pause = PAUSES[0]  # the failure is told by the session that had it
            except FENCED:
                # Another process has our partitions, or our transaction took too long. In the first case we are told
                # by the next heartbeat, and revoked.
                self._failed("fenced")
                log.warning("fenced", extra={"slot": self.name})
                pause = max(pause, self.parts.fenced_pause)
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
        try:
            committer, self.committed = await self.assignment.begin(self.partitions)
            for tp, offset in self.committed.items():
                consumer.seek(tp, offset)
            session = PartitionSession(
                self.name,
                self.partitions,
                parts.group,
                consumer,
                committer,
                on_progress=parts.on_progress,
                tried=parts.on_life,
                committed=self.committed,
            )
            if self.stopping.is_set():
                return
            self._session = parts.sessions[self.name] = session
            parts.on_open()
            consumer.resume(*self.partitions)
            await parts.worker(session)
        finally:
            self._session = None
            parts.sessions.pop(self.name, None)
            with suppress(Exception):  # partitions that are no longer ours cannot be paused, and need not be
                consumer.pause(*self.partitions)

    def _failed(self, reason: str) -> None:
        SESSION_FAILURES.labels(self.parts.group, reason).inc()
