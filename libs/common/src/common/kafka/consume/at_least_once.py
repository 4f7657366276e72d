"""Reading topics in a group at least once: for work that is harmless to repeat.

A `Follower` needs no transaction and no producer: it hands batches over, and commits their offsets afterwards. What
must happen exactly once goes through `common.kafka.consume.partition_group` instead.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from common.kafka.errors import is_away
from common.kafka.metrics import GroupReadings, note_read
from common.kafka.wire.unreadable import Unreadable
from common.tasks import cancel
from common.telemetry.metrics import SESSION_FAILURES
from common.telemetry.outages import KAFKA
from common.telemetry.safe_errors import text_of

log = logging.getLogger(__name__)

Batch = Sequence[ConsumerRecord[bytes, bytes]]

_PAUSE_SECONDS = 0.5
_CLOSE_SECONDS = 5.0


class Follower:
    """One member of `group` that passes every record of `topics` to `handle`, in the order of each partition.

    When `handle` raises, the batch comes again, after a pause. `handle` must be harmless to repeat. What cannot be read
    is passed over: it is in the log, and still in its topic.
    """

    def __init__(
        self,
        *,
        group: str,
        topics: Iterable[str],
        make_consumer: Callable[[str], AIOKafkaConsumer],
        handle: Callable[[Batch], Awaitable[None]],
        max_records: int = 500,
    ) -> None:
        self._group = group
        self._topics = tuple(topics)
        self._make_consumer = make_consumer
        self._handle = handle
        self._max_records = max_records
        self._task: asyncio.Task[None] | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._at: dict[TopicPartition, int] = {}  # what is finished, of the partitions that something came from
        self._read_at = time.monotonic()
        self._readings = GroupReadings(
            group,
            consumer=lambda: self._consumer,
            committed=lambda: self._at,
            working=lambda: len(self._consumer.assignment()) if self._consumer else 0,
            idle_seconds=lambda: time.monotonic() - self._read_at if self._consumer else 0.0,
        )

    async def start(self) -> None:
        """Begin to join the group; returns at once, and keeps trying while Kafka is away."""
        self._readings.start()
        self._task = asyncio.create_task(self._follow(), name=f"follow {self._group}")

    async def stop(self) -> None:
        """Stop reading and leave the group."""
        self._readings.stop()
        await cancel([self._task])

    @property
    def ready(self) -> bool:
        """Whether the group has answered (a member without partitions is a standby, and as good)."""
        return self._consumer is not None

    async def _follow(self) -> None:
        while True:
            consumer = self._make_consumer(self._group)
            try:
                await consumer.start()
                await self._read(consumer)
            except Exception as error:  # noqa: BLE001  # whatever failed, the batch was not committed and comes again
                SESSION_FAILURES.labels(self._group, "error").inc()
                if isinstance(error, KafkaError) and is_away(error):
                    KAFKA.failed(log, "reading starts again", group=self._group, error=repr(error))
                else:
                    said = f"{type(error).__name__}: {text_of(error)}"
                    log.warning("reading starts again", extra={"group": self._group, "error": said})
            finally:
                self._consumer, self._at = None, {}
                with suppress(KafkaError, TimeoutError):
                    async with asyncio.timeout(_CLOSE_SECONDS):
                        await consumer.stop()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        if missing := set(self._topics) - await consumer.topics():
            log.warning("topics are missing, waiting for them", extra={"topics": sorted(missing)})
            return
        KAFKA.back()
        consumer.subscribe(topics=self._topics)
        while True:
            batches = await consumer.getmany(timeout_ms=1_000, max_records=self._max_records)
            self._consumer, self._read_at = consumer, time.monotonic()
            ours = consumer.assignment()
            self._at = {tp: offset for tp, offset in self._at.items() if tp in ours}
            if batches:
                note_read(batches)
                self._at.update({tp: batch[0].offset for tp, batch in batches.items()})
                read = [record for batch in batches.values() for record in batch if not isinstance(record, Unreadable)]
                if read:
                    await self._handle(read)
                offsets = {tp: batch[-1].offset + 1 for tp, batch in batches.items()}
                await consumer.commit(offsets)
                self._at.update(offsets)
