"""How far a consumer group has read: asked by somebody who is no member of it, now and then."""

from collections.abc import Mapping
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from common.errors import Unavailable
from common.kafka.clients import connection
from common.kafka.settings import KafkaSettings

_ASKING_MS = 3_000

Ends = Mapping[TopicPartition, int]


class Progress:
    """Ends of topics, and whether groups have read up to them. Connects when it is asked; `close` ends that.

    Its methods raise `Unavailable` when Kafka does not answer; the next call connects anew.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None

    async def ends(self, topic: str) -> Ends:
        """Where each partition ends now, with what a transaction has written that is not committed yet."""
        try:
            consumer, admin = await self._connected()
            (described,) = await admin.describe_topics([topic])
            partitions = [TopicPartition(topic, one["partition"]) for one in described["partitions"]]
            ends: Ends = await consumer.end_offsets(partitions)
            if not ends:
                raise Unavailable(f"{topic} has no partitions", code="kafka_unavailable")
        except (KafkaError, TimeoutError) as error:
            await self.close()
            raise Unavailable(f"the end of {topic} is not known", code="kafka_unavailable") from error
        return ends

    async def has_read(self, group: str, ends: Ends) -> bool:
        """Whether `group` has committed everything before `ends`. What it is not known to have read, it has not."""
        try:
            consumer, admin = await self._connected()
            told = await admin.list_consumer_group_offsets(group, partitions=list(ends))
            read = {tp: found.offset for tp, found in told.items()}
            behind = [tp for tp, end in ends.items() if read.get(tp, -1) < end]
            if not behind:
                return True
            # Of a partition whose records have all expired a group may never have committed anything.
            begins = await consumer.beginning_offsets(behind)
            return all(read.get(tp) == -1 and begins[tp] >= ends[tp] for tp in behind)
        except (KafkaError, TimeoutError) as error:
            await self.close()
            raise Unavailable(f"how far {group} has read is not known", code="kafka_unavailable") from error

    async def close(self) -> None:
        """End the connections; harmless to repeat."""
        consumer, admin, self._consumer, self._admin = self._consumer, self._admin, None, None
        with suppress(KafkaError):
            if admin is not None:
                await admin.close()
        with suppress(KafkaError):
            if consumer is not None:
                await consumer.stop()

    async def _connected(self) -> tuple[AIOKafkaConsumer, AIOKafkaAdminClient]:
        if self._consumer is None or self._admin is None:
            # Ends are those of what is written, not of what is committed: a status may stand in an open transaction.
            consumer = AIOKafkaConsumer(
                **connection(self._settings),
                group_id=None,
                enable_auto_commit=False,
                isolation_level="read_uncommitted",
                request_timeout_ms=_ASKING_MS,
            )
            admin = AIOKafkaAdminClient(**connection(self._settings), request_timeout_ms=_ASKING_MS)
            self._consumer, self._admin = consumer, admin
            await consumer.start()
            await admin.start()
        return self._consumer, self._admin
