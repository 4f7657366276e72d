"""A compacted topic as a table in memory: the last record of each key, followed live."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from common.errors import InvalidInput
from common.kafka.clients import make_reader
from common.kafka.errors import note_failure
from common.kafka.settings import KafkaSettings
from common.kafka.wire.unreadable import Unreadable
from common.tasks import Periodic
from common.telemetry.outages import KAFKA

log = logging.getLogger(__name__)

V = TypeVar("V")

_RETRY_SECONDS = 0.5
_POLL_MS = 500


class Table(Generic[V]):
    """Keys and their latest values. `decode` turns a record value into V (raising `InvalidInput`).

    `on_change(key, value)` is called for every change, also while the table is first read; value is None for a
    deleted key. Ready once it has read what was there at the start; without `history` it begins with what comes.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        decode: Callable[[bytes | None], V],
        on_change: Callable[[str, V | None], None] = lambda _key, _value: None,
        *,
        history: bool = True,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._decode = decode
        self._on_change = on_change
        self._history = history
        self._rows: dict[str, V] = {}
        self._following = Periodic(self._follow, _RETRY_SECONDS, name=f"table {topic}")
        self._consumer: AIOKafkaConsumer | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._moved = asyncio.Condition()
        self._loaded = asyncio.Event()

    async def start(self) -> None:
        """Begin to read; returns at once, and keeps trying while Kafka is away."""
        await self._following.start()

    async def stop(self) -> None:
        """Stop reading."""
        await self._following.stop()

    @property
    def ready(self) -> bool:
        """Whether everything that was there at the start has been read."""
        return self._loaded.is_set()

    async def wait(self) -> None:
        """Return when it is ready."""
        await self._loaded.wait()

    def get(self, key: str) -> V | None:
        """The latest value of `key`, or None."""
        return self._rows.get(key)

    def values(self) -> list[V]:
        """All latest values."""
        return list(self._rows.values())

    async def catch_up(self, seconds: float) -> bool:
        """Read up to what is the end of the topic now; False when that takes longer than `seconds`.

        After it, every change that was acknowledged before the call is in the table.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._loaded.wait()
                consumer = self._consumer
                if consumer is None:
                    return False
                ends = await consumer.end_offsets(list(self._positions))
                async with self._moved:
                    await self._moved.wait_for(lambda: self._reached(ends))
        except (TimeoutError, KafkaError):
            return False
        return True

    def _reached(self, ends: dict[TopicPartition, int]) -> bool:
        return all(self._positions.get(tp, 0) >= end for tp, end in ends.items())

    async def _follow(self) -> None:
        consumer = make_reader(self._settings, self._topic)
        try:
            await consumer.start()
            await self._read(consumer)
        except KafkaError as error:  # Kafka is away, or the topic is not there yet
            note_failure(log, "cannot read the table's topic; trying again", error, topic=self._topic)
        finally:
            self._consumer = None
            with suppress(KafkaError):
                await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        partitions = list(consumer.assignment())
        ends = await consumer.end_offsets(partitions)
        KAFKA.back()
        if self._history:
            await consumer.seek_to_beginning(*partitions)
        else:
            for tp, end in ends.items():
                consumer.seek(tp, end)
        self._positions = dict.fromkeys(partitions, 0)
        self._consumer = consumer
        while True:
            batch = await consumer.getmany(timeout_ms=1 if self._pending(ends) else _POLL_MS)
            for records in batch.values():
                for record in records:
                    if not isinstance(record, Unreadable):
                        self._apply(record.key, record.value)
            for tp in partitions:
                self._positions[tp] = await consumer.position(tp)
            if not self._pending(ends):
                self._loaded.set()
            async with self._moved:
                self._moved.notify_all()

    def _pending(self, ends: dict[TopicPartition, int]) -> bool:
        return not self._loaded.is_set() and not self._reached(ends)

    def _apply(self, key: bytes | None, value: bytes | None) -> None:
        name = (key or b"").decode("utf-8", "replace")
        if value is None:
            self._rows.pop(name, None)
            self._on_change(name, None)
            return
        try:
            row = self._decode(value)
        except InvalidInput as error:
            # The topic has one writer; a record it cannot read back is a bug to be seen, not a reason to stop.
            log.warning("a table record cannot be parsed", extra={"topic": self._topic, "error": error.message})
            return
        self._rows[name] = row
        self._on_change(name, row)
