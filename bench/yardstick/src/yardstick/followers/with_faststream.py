"""The same follower on FastStream: by its options alone, and with the code of ours that it needs beside them.

Both have the settings of `common.kafka.clients`, each with FastStream's own name for it, and commit after the handler.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage

from common.kafka.settings import KafkaSettings
from common.kafka.wire.aiokafka_decoding_patch import patch_decoding
from common.kafka.wire.aiokafka_patch import patch_offset_fetch
from common.kafka.wire.unreadable import Unreadable
from common.telemetry.outages import KAFKA
from yardstick.followers.work import GATHER_MS, Work

log = logging.getLogger("common.kafka.followers")  # a name whose repetitions are kept to one a minute

_PAUSE_SECONDS: Final = 0.5
_CLOSE_SECONDS: Final = 5.0

Handle = Callable[[Any], Awaitable[None]]


def _broker(
    settings: KafkaSettings, group: str, topic: str, handle: Handle, logger: Any = None, parser: Any = None
) -> KafkaBroker:
    more: dict[str, Any] = {} if logger is None else {"logger": logger}
    broker = KafkaBroker(
        settings.kafka_bootstrap_servers.split(","),
        metadata_max_age_ms=30_000,
        retry_backoff_ms=50,
        request_timeout_ms=10_000,
        allow_auto_create_topics=False,
        consumer_only=True,
        log_level=logging.DEBUG,
        graceful_timeout=_CLOSE_SECONDS,
        apply_types=False,
        **more,
    )

    async def raw_records(message: Any) -> Any:
        return message.raw_message

    subscriber: Any = broker.subscriber(
        topic,
        group_id=group,
        batch=True,
        max_records=500,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        partition_assignment_strategy=(RangePartitionAssignor,),
        session_timeout_ms=settings.kafka_session_timeout_ms,
        heartbeat_interval_ms=3_000,
        fetch_min_bytes=64 * 1024,
        fetch_max_wait_ms=GATHER_MS,
        decoder=raw_records,
        parser=parser(lambda: subscriber.consumer) if parser else None,
    )
    subscriber(handle)
    return broker


async def bare(settings: KafkaSettings, group: str, topic: str, work: Work) -> None:
    """FastStream with the options that suit."""
    broker = _broker(settings, group, topic, work.handle)
    await broker.start()
    try:
        await asyncio.Event().wait()
    finally:
        await broker.stop()


async def guarded(settings: KafkaSettings, group: str, topic: str, work: Work) -> None:
    """With our patches of aiokafka, our pause, a parser that reads no headers, and a start that is tried again."""
    patch_offset_fetch()
    patch_decoding()

    async def handle(records: Any) -> None:
        try:
            if read := [record for record in records if not isinstance(record, Unreadable)]:
                await work.handle(read)
        except Exception as error:
            log.warning("reading starts again", extra={"group": group, "error": repr(error)})
            await asyncio.sleep(_PAUSE_SECONDS)
            raise

    while True:
        broker = _broker(settings, group, topic, handle, log, _unparsed)
        try:
            await broker.start()
            KAFKA.back()
            await asyncio.Event().wait()
        except KafkaError as error:
            KAFKA.failed(log, "reading starts again", group=group, error=repr(error))
        finally:
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await broker.stop()
        await asyncio.sleep(_PAUSE_SECONDS)


def _unparsed(consumer: Callable[[], Any]) -> Any:
    """A parser in the place of FastStream's, which decodes every header, and fails at one that is null or no UTF-8."""

    async def parse(records: Any) -> KafkaAckableMessage:
        first, last = records[0], records[-1]
        name = f"{first.offset}-{last.offset}-{first.timestamp}"
        return KafkaAckableMessage(raw_message=records, body=[], message_id=name, consumer=consumer())

    return parse
