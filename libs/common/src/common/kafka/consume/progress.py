"""How far a consumer group has read: asked now and then by a process that is not a member of it."""

from collections.abc import Mapping
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from common.errors import Unavailable
from common.kafka.clients import connection
from common.kafka.settings import KafkaSettings

_ASKING_MS = 3_000
_FEW = 100  # offsets that may be ends of transactions; more are a backlog
_LOOKS, _LOOK_MS, _LOOK_BYTES = 5, 200, 64 * 1024

Ends = Mapping[TopicPartition, int]
Gaps = Mapping[TopicPartition, tuple[int, int]]


class Progress:
    """Ends of topics, and whether groups have read up to them. Connects when it is asked; `close` ends that.

    Its methods raise `Unavailable` when Kafka does not answer; the next call connects anew.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._reader: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None

    async def ends(self, topic: str) -> Ends:
        """Where each partition ends now, records of open transactions included."""
        try:
            consumer, admin = await self._connected()
            (described,) = await admin.describe_topics([topic])
            partitions = [TopicPartition(topic, one["partition"]) for one in described["partitions"]]
            ends: Ends = await consumer.end_offsets(partitions)
            if not ends:
                raise Unavailable(f"{topic} has no partitions", code="kafka_unavailable")
        except (KafkaError, TimeoutError) as error:
            await self.close()
            raise Unavailable(f"cannot find the end of {topic}", code="kafka_unavailable") from error
        return ends

    async def has_read(self, group: str, ends: Ends) -> bool:
        """Whether `group` has committed everything before `ends`. A partition without an answer counts as not read."""
        try:
            consumer, admin = await self._connected()
            told = await admin.list_consumer_group_offsets(group, partitions=list(ends))
            read = {tp: found.offset for tp, found in told.items()}
            behind = [tp for tp, end in ends.items() if read.get(tp, -1) < end]
            begins = await consumer.beginning_offsets(behind) if behind else {}
            gaps = {tp: (max(read.get(tp, -1), begins[tp]), ends[tp]) for tp in behind}
            has_read = read.keys() >= ends.keys() and not await self._has_records(gaps)
        except (KafkaError, TimeoutError) as error:
            await self.close()
            raise Unavailable(f"cannot find how far {group} has read", code="kafka_unavailable") from error
        return has_read

    async def _has_records(self, gaps: Gaps) -> bool:
        """Whether any of these has a record. Ends of transactions and aborted records are none.

        A group does not have to commit behind them, and records may have expired.
        """
        gaps = {tp: (begin, end) for tp, (begin, end) in gaps.items() if begin < end}
        if not gaps or any(end - begin > _FEW for begin, end in gaps.values()):
            return bool(gaps)
        if self._reader is None:
            self._reader = self._consumer_with("read_committed")
            await self._reader.start()
        self._reader.assign(list(gaps))
        for tp, (begin, _) in gaps.items():
            self._reader.seek(tp, begin)
        for _ in range(_LOOKS):
            if await self._reader.getmany(timeout_ms=_LOOK_MS, max_records=1):
                return True
            if all([await self._reader.position(tp) >= end for tp, (_, end) in gaps.items()]):
                return False
        return True  # as far as is known

    async def close(self) -> None:
        """End the connections; harmless to repeat."""
        consumers = self._consumer, self._reader
        admin, self._admin, self._consumer, self._reader = self._admin, None, None, None
        with suppress(KafkaError):
            if admin is not None:
                await admin.close()
        for consumer in consumers:
            with suppress(KafkaError):
                if consumer is not None:
                    await consumer.stop()

    async def _connected(self) -> tuple[AIOKafkaConsumer, AIOKafkaAdminClient]:
        if self._consumer is None or self._admin is None:
            # Ends include what is not committed yet: a status may be in an open transaction.
            consumer = self._consumer_with("read_uncommitted")
            admin = AIOKafkaAdminClient(**connection(self._settings), request_timeout_ms=_ASKING_MS)
            self._consumer, self._admin = consumer, admin
            await consumer.start()
            await admin.start()
        return self._consumer, self._admin

    def _consumer_with(self, isolation: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **connection(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=isolation,
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=_LOOK_BYTES,
            request_timeout_ms=_ASKING_MS,
        )
