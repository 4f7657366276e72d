"""Exclusive work on input partitions: read, act, then write results and offsets in one transaction.

FastStream has no transactions, so this is built on aiokafka itself (docs/decisions/0001). A `PartitionGroup` joins a
consumer group and runs one `PartitionSession` at a time per *slot* of assigned partitions (`partition_slot` says how).
All sessions of an assignment commit by one transactional producer (`assignment`, `committer`).

`Halted` is for a failure that is not one partition's: the member leaves the group, so that a healthy one gets its
partitions. After a pause it joins again as a probe; a probe that halts doubles the pause.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from common.kafka.clients import DRAIN_SECONDS
from common.kafka.consume.assignment import CLOSE_SECONDS, Assignment, AssignmentParts
from common.kafka.consume.committer import STEP_SECONDS
from common.kafka.consume.partition_session import PartitionSession, Worker
from common.kafka.consume.partition_slot import PAUSES, Slot, SlotParts
from common.kafka.errors import note_failure
from common.kafka.metrics import GroupReadings
from common.kafka.wire.group_member import MemberConsumer
from common.kafka.wire.membership import Membership
from common.tasks import cancel
from common.telemetry.outages import KAFKA

log = logging.getLogger(__name__)

HALT_SECONDS: Final = 30.0
HALT_CAP_SECONDS: Final = 300.0


class PartitionGroup(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """A consumer group member that runs `worker` once per slot of the partitions it is given.

    `slot_of` names the slot of a partition: partitions with one name share a session. `former_slot_of` is the name that
    the release before used in its transactional ids, `{group}-{slot}`: such a predecessor is ended, too.
    `drain_seconds` is how long a worker may take to finish after a revocation, before it is cancelled.
    Transactions begin `gap_seconds` apart at least. Meanwhile commits wait for those of other sessions.
    After a halt the member is away for `halt_seconds`, doubled at each halt up to `halt_cap_seconds`; then it calls
    `on_probe` and joins again. Work for `halt_cap_seconds` without a halt makes the next pause the first again.
    """

    def __init__(
        self,
        *,
        group: str,
        topics: Iterable[str],
        make_consumer: Callable[[str], MemberConsumer],
        make_producer: Callable[[str, Membership], Any],
        worker: Worker,
        slot_of: Callable[[TopicPartition], str] = lambda tp: f"{tp.topic}-{tp.partition}",
        former_slot_of: Callable[[TopicPartition], str] = lambda tp: f"{tp.topic}-{tp.partition}",
        gap_seconds: float = STEP_SECONDS,
        drain_seconds: float = DRAIN_SECONDS,
        fenced_pause_seconds: float = 0.3,
        halt_seconds: float = HALT_SECONDS,
        halt_cap_seconds: float = HALT_CAP_SECONDS,
        on_probe: Callable[[], None] = lambda: None,
    ) -> None:
        self._group = group
        self._topics = tuple(topics)
        self._make_consumer = make_consumer
        self._slot_of = slot_of
        self._drain_seconds = drain_seconds
        self._pauses = (halt_seconds, halt_cap_seconds)
        self._on_probe = on_probe
        self._halt = asyncio.Event()  # a worker has raised `Halted` since the member joined
        self._halted = False  # from then until every slot of the probe works
        self._consumer: MemberConsumer | None = None
        self._assignment: Assignment | None = None
        self._assignment_parts = AssignmentParts(
            group,
            make_producer,
            former_ids=lambda tps: {f"{group}-{former_slot_of(tp)}" for tp in tps},
            gap=gap_seconds,
        )
        self._sessions: dict[str, PartitionSession] = {}
        self._slots: dict[str, Slot] = {}
        self._parts = SlotParts(
            group=group,
            worker=worker,
            fenced_pause=fenced_pause_seconds,
            sessions=self._sessions,
            on_progress=self._note_progress,
            on_life=self._note_life,
            on_open=self._note_working,
            on_halt=self._halting,
        )
        self._ending: set[asyncio.Task[None]] = set()
        self._member: asyncio.Task[None] | None = None
        self._departure: asyncio.Task[None] | None = None
        self._progress_at = 0.0
        self._alive_at = 0.0
        self._readings = GroupReadings(
            group,
            consumer=lambda: self._consumer,
            committed=self._committed,
            working=lambda: len(self.assignment),
            idle_seconds=self.idle_seconds,
            halted=lambda: self._halted,
        )

    async def start(self) -> None:
        """Begin to join the group; returns at once, and keeps trying while Kafka or a topic is away."""
        self._note_progress()
        self._member = asyncio.create_task(self._be_member(), name=f"member of {self._group}")
        self._readings.start()

    async def stop(self) -> None:
        """Let the workers finish, give the partitions back, leave the group."""
        self._leaving = True
        self._readings.stop()
        await cancel([self._member])
        if self._departure is not None:  # begun because of a halt; it must not be cut off
            await self._departure
        await self._leave()

    @property
    def ready(self) -> bool:
        """Whether the group has answered and every partition given to us is being worked on.

        A halted member is ready, too: it is away on purpose, and the process has other work (its API).
        """
        if self._halted:
            return True
        consumer = self._consumer
        return consumer is not None and self._assigned and len(self._sessions) == len(self._slots)

    @property
    def halted(self) -> bool:
        """Whether the member is away because of a halt, or back and not yet at work again."""
        return self._halted

    async def reachable(self, seconds: float = 2.0) -> bool:
        """Whether a broker answers now. During the pause after a halt none is asked, and the answer is yes."""
        if self._consumer is None:
            return self._resting
        try:
            async with asyncio.timeout(seconds):
                await self._consumer.topics()
        except (KafkaError, TimeoutError):
            KAFKA.lost()
            return False
        KAFKA.back()
        return True

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions being worked on now."""
        return frozenset(tp for session in self._sessions.values() for tp in session.partitions)

    def idle_seconds(self) -> float:
        """Seconds since any session last fetched or committed; grows when the poll loops hang, or wait for a store."""
        return time.monotonic() - self._progress_at if self._sessions else 0.0

    def stuck_seconds(self) -> float:
        """Seconds since any session last fetched, committed, began, failed, or ended an attempt.

        It stays small while MongoDB is away, because a new process would wait, too. It grows when attempts hang.
        """
        return time.monotonic() - self._alive_at if self._sessions else 0.0

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002  # all are, each time
        """Finish the running batches, so that the next owner starts behind them."""
        self._assigned = False
        await self._close_slots()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Start a session per slot; fetching waits until the producer is open."""
        if self._leaving:
            return  # a rebalance that ends while we leave: nothing would end what was begun now
        if assigned:
            self._begin(self._consumer, assigned)
        self._assigned = True
        self._note_working()
        log.info("partitions assigned", extra={"group": self._group, "partitions": len(assigned)})

    def _begin(self, consumer: Any, assigned: Collection[TopicPartition]) -> None:
        consumer.pause(*assigned)
        assignment = Assignment(consumer, assigned, self._assignment_parts, self._renew)
        slots: dict[str, set[TopicPartition]] = {}
        for tp in assigned:
            slots.setdefault(self._slot_of(tp), set()).add(tp)
        self._assignment = assignment
        self._slots = {
            name: Slot(name, frozenset(tps), consumer, assignment, self._parts) for name, tps in slots.items()
        }
        for slot in self._slots.values():
            slot.start()

    def _renew(self) -> None:
        for slot in self._slots.values():
            slot.renew()

    _assigned = False
    _leaving = False
    _resting = False

    async def _be_member(self) -> None:
        pause = 0.0
        while True:
            await self._join()
            joined = time.monotonic()
            await self._halt.wait()
            first, cap = self._pauses
            went_well = time.monotonic() - joined >= cap
            pause = first if went_well else min(max(first, 2 * pause), cap)
            log.critical("halted: leaving the group for a while", extra={"group": self._group, "seconds": pause})
            self._leaving, self._resting = True, True
            # A task of its own, so that `stop` can wait for its end.
            self._departure = asyncio.create_task(self._leave(), name=f"leave {self._group}")
            await asyncio.shield(self._departure)
            await asyncio.sleep(pause)
            self._probe()

    async def _leave(self) -> None:
        await self._close_slots()
        consumer, self._consumer = self._consumer, None
        self._assigned = False
        if consumer is not None:
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await consumer.stop()

    def _probe(self) -> None:
        log.warning("joining the group again after a halt", extra={"group": self._group})
        self._halt.clear()
        self._leaving = self._resting = False
        self._note_progress()
        self._on_probe()

    async def _join(self) -> None:
        for attempt in range(1_000_000_000):
            consumer = self._make_consumer(self._group)
            try:
                await consumer.start()
                missing = set(self._topics) - await consumer.topics()
                KAFKA.back()
                if not missing:
                    self._consumer = consumer
                    consumer.subscribe(topics=self._topics, listener=self)
                    return
                log.warning("topics are missing, waiting for them", extra={"topics": sorted(missing)})
            except KafkaError as error:
                note_failure(log, "Kafka is away, trying again", error, group=self._group)
            except asyncio.CancelledError:
                await consumer.stop()
                raise
            with suppress(KafkaError):
                await consumer.stop()
            await asyncio.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])

    def _committed(self) -> dict[TopicPartition, int]:
        """Of every slot that is ours, also between two sessions: what fails again and again falls behind meanwhile."""
        return {tp: offset for slot in self._slots.values() for tp, offset in slot.committed.items()}

    async def _close_slots(self) -> None:
        slots, self._slots = self._slots, {}
        for slot in slots.values():
            slot.stop()
            if slot.task is not None:
                self._ending.add(slot.task)
                slot.task.add_done_callback(self._ending.discard)
        # A revocation while we leave waits for the same workers: their successors must begin behind them.
        if self._ending:
            _, late = await asyncio.wait(self._ending, timeout=self._drain_seconds)
            for task in late:
                log.warning("a worker did not finish in time and is cancelled", extra={"worker": task.get_name()})
            await cancel(late)
        if self._assignment is not None:
            await self._assignment.close()

    def _halting(self) -> None:
        self._halted = True
        self._halt.set()

    def _note_working(self) -> None:
        """A halt is over when every slot of the probe works."""
        if self._assigned and not self._halt.is_set() and len(self._sessions) == len(self._slots):
            self._halted = False

    def _note_progress(self) -> None:
        self._progress_at = self._alive_at = time.monotonic()

    def _note_life(self) -> None:
        self._alive_at = time.monotonic()
