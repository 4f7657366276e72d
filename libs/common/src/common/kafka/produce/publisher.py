"""Writing events where a caller waits: every record acknowledged by all in-sync replicas, or `Unavailable` in time."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from aiokafka.errors import KafkaError

from common.errors import Unavailable
from common.kafka.clients import make_producer
from common.kafka.errors import note_failure
from common.kafka.metrics import note_written
from common.kafka.produce.publish_queue import Call, PartitionQueue
from common.kafka.records import Outgoing
from common.kafka.settings import KafkaSettings
from common.kafka.wire.compression import CompressingProducer
from common.kafka.wire.partitioner import partition_of
from common.tasks import cancel
from common.telemetry.metrics import PUBLISH_FAILURES
from common.telemetry.outages import KAFKA

log = logging.getLogger(__name__)

_RECONNECT_SECONDS = 0.5
_WATCH_SECONDS = 0.1
_IDLE_WATCH_SECONDS = 1.0
_FEW = 8
_TOGETHER_SECONDS = 0.001


class Publisher:
    """One idempotent producer that connects in the background and says whether it is connected.

    The process starts without Kafka; until Kafka answers, `publish` raises `Unavailable` at once.

    A producer numbers its batches, and the broker takes none after one that it has refused for good (it is too large,
    say): it would be out of sequence (KIP-98). So after a refusal another producer takes over; only the caller
    whose record was refused gets an error.
    """

    def __init__(self, settings: KafkaSettings, *, timeout_seconds: float = 4.0) -> None:
        # The producer gives a record up a little before we stop waiting for it, so that what we refused is not
        # written minutes later by a buffer that outlived its caller.
        self._settings = settings
        self._timeout = timeout_seconds
        self._producer: CompressingProducer | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queues: dict[tuple[str, int], PartitionQueue] = {}
        self._waiting: list[PartitionQueue] = []
        self._calls: set[Call] = set()
        self._watching: asyncio.Task[None] | None = None
        self._replacing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to connect; returns at once."""
        self._loop = asyncio.get_running_loop()
        self._connecting = self._loop.create_task(self._start(), name="connect publisher")
        self._watching = self._loop.create_task(self._watch(), name="watch publisher")

    async def stop(self) -> None:
        """Send what is buffered and close."""
        await cancel([self._connecting])
        if self._replacing is not None:
            await asyncio.wait([self._replacing], timeout=self._timeout)
            await cancel([self._replacing])
        if self._producer is not None:
            await self._close(self._producer)
        await cancel([self._watching])

    @property
    def connected(self) -> bool:
        """Whether Kafka has answered since the start."""
        return self._producer is not None

    async def reachable(self, seconds: float = 2.0) -> bool:
        """Whether a broker answers now."""
        if self._producer is None:
            return False
        try:
            async with asyncio.timeout(seconds):
                await self._producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError):
            KAFKA.lost()
            return False
        KAFKA.back()
        return True

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Write `records` in order and wait until all of them are acknowledged.

        Raises `Unavailable` when that takes longer than the timeout; some of them may then have been written, so
        records carry derived ids and repeating is safe.
        """
        producer = self._producer
        if producer is None:
            PUBLISH_FAILURES.inc()
            raise Unavailable("Kafka does not answer; try again", code="kafka_unavailable")
        loop = self._loop
        assert loop is not None  # noqa: S101  # it has started
        began = time.time_ns()
        call = Call(loop, len(records), loop.time() + self._timeout)
        self._calls.add(call)
        try:
            for record in records:
                (self._queue(producer, record) or await self._queue_of_new(producer, record)).add(record, call)
            if records:
                await call.told
                if KAFKA.away:
                    KAFKA.back()
                note_written(records, began)
        except (KafkaError, TimeoutError) as error:
            call.told.cancel()  # no caller waits for it
            PUBLISH_FAILURES.inc()
            note_failure(log, "Kafka did not confirm in time", error, records=len(records))
            raise Unavailable("Kafka did not confirm in time; try again", code="kafka_unavailable") from error
        finally:
            self._calls.discard(call)

    def _ready(self, queue: PartitionQueue) -> None:
        """Let it begin: at once while there are few calls, so that a lone one is not delayed; else with others."""
        self._waiting.append(queue)
        if len(self._waiting) == 1:
            assert self._loop is not None  # noqa: S101  # it has started
            self._loop.call_later(_TOGETHER_SECONDS if len(self._calls) > _FEW else 0, self._begin)

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, []
        for queue in waiting:
            queue.begin()

    async def _watch(self) -> None:
        """Time out the calls that are late. One look at all of them costs less than a timer for each."""
        assert self._loop is not None  # noqa: S101  # it has started
        while True:
            # A call that begins during the long pause is late only after it.
            await asyncio.sleep(_WATCH_SECONDS if self._calls else min(_IDLE_WATCH_SECONDS, self._timeout / 2))
            now = self._loop.time()
            for call in self._calls:
                if call.deadline <= now and not call.told.done():
                    call.told.set_exception(TimeoutError("no acknowledgement in time"))

    def _queue(self, producer: CompressingProducer, record: Outgoing) -> PartitionQueue | None:
        """The queue of a record's partition; None while the partitions of its topic are not known."""
        partition = record.partition
        if partition is None:
            known = producer.client.cluster.partitions_for_topic(record.topic)
            if not known:
                return None
            partition = partition_of(record.key, len(known))
        place = record.topic, partition
        queue = self._queues.get(place)
        if queue is None:
            assert self._loop is not None  # noqa: S101  # it has started
            queue = self._queues[place] = PartitionQueue(
                self._loop, producer, *place, self._ready, partial(self._refused, producer)
            )
        return queue

    async def _queue_of_new(self, producer: CompressingProducer, record: Outgoing) -> PartitionQueue:
        """The same after asking for the partitions. Raises `KafkaError` or `TimeoutError`."""
        async with asyncio.timeout(self._timeout):
            await producer.partitions_for(record.topic)
        queue = self._queue(producer, record)
        if queue is None:
            raise KafkaError(f"{record.topic} has no partitions")
        return queue

    def _refused(self, producer: CompressingProducer) -> None:
        """Replace this producer, once."""
        if producer is self._producer and (self._replacing is None or self._replacing.done()):
            assert self._loop is not None  # noqa: S101  # it has started
            self._replacing = self._loop.create_task(self._replace(producer), name="replace producer")

    async def _replace(self, old: CompressingProducer) -> None:
        try:
            self._producer = await self._connect()
            self._queues = {}
            log.warning("Kafka refused a record for good; another producer has taken over")
            begun = [call.told for call in self._calls]
            if begun:  # with the old one
                await asyncio.wait(begun, timeout=self._timeout)
        finally:
            await self._close(old)

    async def _close(self, producer: CompressingProducer) -> None:
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(self._timeout):
                await producer.stop()

    async def _start(self) -> None:
        self._producer = await self._connect()

    async def _connect(self) -> CompressingProducer:
        while True:
            timeout_ms = int(self._timeout * 1000 * 0.9)
            producer = make_producer(self._settings, request_timeout_ms=timeout_ms)
            try:
                await producer.start()
            except KafkaError as error:
                note_failure(log, "Kafka is away, trying again", error)
                await producer.stop()
                await asyncio.sleep(_RECONNECT_SECONDS)
            except asyncio.CancelledError:
                await producer.stop()
                raise
            else:
                KAFKA.back()
                return producer
