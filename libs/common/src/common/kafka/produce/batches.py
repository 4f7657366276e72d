"""Writing many records at once: by partition, in batches of our own.

`AIOKafkaProducer.send` costs a future, a lookup and a partitioner's call per record; a batch that is filled here and
handed over whole costs them once (bench/README.md). The order within each partition is the order of the records.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from common.kafka.records import Outgoing
from common.kafka.wire.compression import CompressingProducer
from common.kafka.wire.partitioner import partition_of


async def write_all(producer: CompressingProducer, outgoing: Sequence[Outgoing]) -> None:
    """Write all of them and wait for their acknowledgements. Raises `KafkaError`; some may then have been written."""
    counts = {topic: len(await producer.partitions_for(topic)) for topic in {record.topic for record in outgoing}}
    confirmations: list[asyncio.Future[object]] = []
    try:
        for (topic, partition), records in by_partition(outgoing, counts).items():
            for batch, _ in batches_of(producer, records):
                # Waits while an earlier batch of this partition has not gone out.
                sent = await producer.send_batch(batch, topic, partition=partition)
                confirmations.append(sent)
    finally:
        # Also after a failure: asyncio would report a confirmation that is never retrieved.
        outcomes = await asyncio.gather(*confirmations, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def by_partition(outgoing: Sequence[Outgoing], counts: Mapping[str, int]) -> dict[tuple[str, int], list[Outgoing]]:
    """The records by topic and partition, each in their order; `counts` is how many partitions a topic has."""
    found: dict[tuple[str, int], list[Outgoing]] = {}
    for record in outgoing:
        partition = record.partition
        if partition is None:
            partition = partition_of(record.key, counts[record.topic])
        found.setdefault((record.topic, partition), []).append(record)
    return found


def batches_of(producer: CompressingProducer, records: Sequence[Outgoing]) -> list[tuple[Any, int]]:
    """Batches with these records of one partition, and how many each has."""
    now_ms, topic = time.time_ns() // 1_000_000, records[0].topic
    batches = [producer.batch_for(topic)]
    for record in records:
        if not _append(batches[-1], record, now_ms):
            batches.append(producer.batch_for(topic))
            _append(batches[-1], record, now_ms)  # an empty batch takes any record; brokers judge its size
    return [(batch, batch.record_count()) for batch in batches]


def _append(batch: Any, record: Outgoing, now_ms: int) -> bool:
    taken = batch.append(timestamp=now_ms, key=record.key.encode(), value=record.value, headers=list(record.headers))
    return taken is not None
