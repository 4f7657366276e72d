"""Reads and writes Kafka topics directly."""

import json
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

Json = dict[str, Any]
Header = tuple[str, bytes]


async def read_topic(kafka: str, topic: str) -> list[tuple[str, Json | None]]:
    """Every committed record of a topic as (place, JSON or None), in the order of each partition."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=kafka,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=8 * 1024 * 1024,
    )
    await consumer.start()
    try:
        partitions = list(consumer.assignment())
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[tuple[str, Json | None]] = []
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for tp, batch in (await consumer.getmany(timeout_ms=200)).items():
                found += [(f"{topic}/{tp.partition}/{record.offset}", json_object(record.value)) for record in batch]
    finally:
        await consumer.stop()
    return found


async def write(kafka: str, topic: str, records: Sequence[tuple[bytes | None, bytes, Sequence[Header]]]) -> None:
    """Write records as (key, value, headers), as any producer with access to Kafka can."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=4 * 1024 * 1024, request_timeout_ms=20_000)
    await producer.start()
    try:
        for key, value, headers in records:
            await producer.send(topic, value, key=key, headers=[*headers])
        await producer.flush()
    finally:
        await producer.stop()


def json_object(value: bytes | None) -> Json | None:
    """The JSON object that these bytes are; None where they are something else."""
    try:
        found = json.loads(value or b"")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
