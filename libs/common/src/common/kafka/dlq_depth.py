"""How many records dead-letter topics hold: a gauge, looked up every half a minute."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from common.kafka.clients import make_reader
from common.kafka.errors import note_failure
from common.kafka.settings import KafkaSettings
from common.tasks import Periodic
from common.telemetry.metrics import DEAD_LETTER_RECORDS, DEAD_LETTERS

log = logging.getLogger(__name__)

_SECONDS = 30.0


class DeadLetterDepth:
    """Watches one topic from `start` to `stop`; while Kafka is away, the last answer stands."""

    def __init__(self, settings: KafkaSettings, topic: str, *, every_seconds: float = _SECONDS) -> None:
        self._settings = settings
        self._topic = topic
        self._every = every_seconds
        self._records: int | None = None
        self._watching = Periodic(self._watch, every_seconds, name=f"depth of {topic}")
        self._remove: Callable[[], None] | None = None

    async def start(self) -> None:
        """Begin to look; returns at once."""
        DEAD_LETTERS.labels(self._topic, "", "")  # nothing is counted here; in a sum by topic the first letter is seen
        self._remove = DEAD_LETTER_RECORDS.add(self._read)
        await self._watching.start()

    async def stop(self) -> None:
        """Stop looking."""
        if self._remove is not None:
            self._remove()
        await self._watching.stop()

    def _read(self) -> Iterable[tuple[tuple[str], float]]:
        return [] if self._records is None else [((self._topic,), self._records)]

    async def _watch(self) -> None:
        consumer = make_reader(self._settings, self._topic)
        try:
            await consumer.start()
            await self._look(consumer)
        except KafkaError as error:  # Kafka is away, or the topic is not there yet
            note_failure(log, "cannot look up the depth of a topic", error, topic=self._topic)
        finally:
            with suppress(KafkaError):
                await consumer.stop()

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        partitions = list(consumer.assignment())
        consumer.pause(*partitions)  # its records are not read here
        while True:
            begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
            self._records = sum(ends[tp] - begins[tp] for tp in partitions)
            await asyncio.sleep(self._every)
