"""Reads letters and the audit topic: all records that exist when reading starts, and no newer ones."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from common.contracts import topics
from common.contracts.dlq_audit import LetterReplayed
from common.contracts.envelope import decode, decoder
from common.kafka.clients import make_reader
from common.kafka.settings import KafkaSettings
from wa.connection import Progress, Say
from wa.dlq.letters import Filters, Letter, Position, Record, letter_of
from wa.dlq.plan import Audit
from wa.errors import Failed

_PATIENCE_SECONDS: Final = 20.0  # without a new record from Kafka
_entry: Final = decoder(LetterReplayed)


async def read_letters(settings: KafkaSettings, filters: Filters, say: Say) -> list[Letter]:
    """The letters that match `filters`, oldest first. Progress goes to `say`. Raises `KafkaError`, `TimeoutError`."""
    found = []
    for topic in filters.topics:
        async for record in read_records(settings, topic, filters.since, say):
            letter = letter_of(record)
            if filters.match(letter):
                found.append(letter)
    return sorted(found, key=lambda letter: (letter.at, letter.position))


async def read_positions(settings: KafkaSettings, positions: Iterable[Position]) -> list[Letter]:
    """The letters at `positions`, each once, in that order. Raises `Failed` when one does not exist or has expired."""
    wanted = list(dict.fromkeys(positions))
    async with _reader(settings, *{position.topic for position in wanted}) as consumer:
        return [await _letter_at(consumer, position) for position in wanted]


async def read_audit(settings: KafkaSettings) -> Audit:
    """The last replay of each letter. Raises `InvalidInput` for an unreadable entry, because none may be missed."""
    entries = [
        decode(_entry, r.value) async for r in read_records(settings, topics.DLQ_AUDIT.name, None, lambda _: None)
    ]
    return {entry.letter: entry for entry in entries}


@asynccontextmanager
async def _reader(settings: KafkaSettings, *names: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = make_reader(settings, *names)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def _letter_at(consumer: AIOKafkaConsumer, position: Position) -> Letter:
    tp = TopicPartition(position.topic, position.partition)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        if tp in consumer.assignment():
            begin, end = (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]
            if begin <= position.offset < end:
                consumer.seek(tp, position.offset)
                record = await _next(consumer, tp, end)
                if record is not None and record.offset == position.offset:
                    return letter_of(record)
    raise Failed(
        f"there is no letter at {position}: it never existed, or Kafka removed it after 30 days; see `wa dlq list`"
    )


async def _next(consumer: AIOKafkaConsumer, tp: TopicPartition, end: int) -> Record | None:
    """The next record of the consumer; None when only transaction markers are left."""
    while await consumer.position(tp) < end:
        for record in (await consumer.getmany(tp, timeout_ms=200, max_records=1)).get(tp, ()):
            found: Record = record
            return found
    return None


async def read_records(settings: KafkaSettings, topic: str, since: datetime | None, say: Say) -> AsyncIterator[Record]:
    """Every record of a topic from `since` until now. Progress goes to `say` every two seconds."""
    async with _reader(settings, topic) as consumer:
        partitions = list(consumer.assignment())
        ends = await consumer.end_offsets(partitions)
        await _seek(consumer, partitions, since, ends)
        at = {tp: await consumer.position(tp) for tp in partitions}
        total, read, progress = sum(ends[tp] - at[tp] for tp in partitions), 0, Progress(say)
        async with asyncio.timeout(_PATIENCE_SECONDS) as patience:
            while any(at[tp] < ends[tp] for tp in partitions):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        yield record
                    read += len(records)
                now = {tp: await consumer.position(tp) for tp in partitions}
                if now != at:
                    patience.reschedule(asyncio.get_running_loop().time() + _PATIENCE_SECONDS)
                at = now
                progress.tell(f"read {read:,} of about {total:,} records of {topic}")


async def _seek(
    consumer: AIOKafkaConsumer,
    partitions: Sequence[TopicPartition],
    since: datetime | None,
    ends: dict[TopicPartition, int],
) -> None:
    if since is None:
        await consumer.seek_to_beginning(*partitions)
        return
    wanted = max(0, round(since.timestamp() * 1000))
    for tp, found in (await consumer.offsets_for_times(dict.fromkeys(partitions, wanted))).items():
        consumer.seek(tp, found.offset if found else ends[tp])
