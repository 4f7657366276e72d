"""Reads topics in a consumer group, at least once: use it for work that may be repeated.

A `Follower` uses no transaction and no producer. It passes a batch to its handler and then commits the batch's offsets.
Work that must happen exactly once uses `common.kafka.consume.partition_group`. ADR 0036 says why FastStream is not
used.
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
    """One member of `group`: passes every record of `topics` to `handle`, in the order of each partition.

    **Invariants:**

    - An offset is committed after `handle` has returned for all records before it.
    - When `handle` or Kafka fails, the member leaves the group, pauses, joins again, and reads the same batch again.
      So `handle` must be safe to repeat.
    - A record that cannot be read is skipped. The log names it, and it stays in its topic.
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
        self._at: dict[TopicPartition, int] = {}  # by partition that had records: the next offset to finish
        self._read_at = time.monotonic()
        self._readings = GroupReadings(
            group,
            consumer=lambda: self._consumer,
            committed=lambda: self._at,
            working=lambda: len(self._consumer.assignment()) if self._consumer else 0,
            idle_seconds=lambda: time.monotonic() - self._read_at if self._consumer else 0.0,
        )

    async def start(self) -> None:
        """Start to join the group. It returns at once; the member keeps trying while Kafka is away."""
        self._readings.start()
        self._task = asyncio.create_task(self._follow(), name=f"follow {self._group}")

    async def stop(self) -> None:
        """Leave the group. A batch under way is cancelled, and the next member reads it again."""
        self._readings.stop()
        await cancel([self._task])

    @property
    def ready(self) -> bool:
        """Whether the member has fetched since it joined. A member without partitions is a standby, and is ready."""
        return self._consumer is not None

    async def _follow(self) -> None:
        while True:
            consumer = self._make_consumer(self._group)
            try:
                await consumer.start()
                await self._read(consumer)
            except Exception as error:  # noqa: BLE001  # whatever failed, the batch is not committed and is read again
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
