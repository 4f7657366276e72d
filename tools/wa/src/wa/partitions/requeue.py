"""Puts waiting sends of MongoDB where the owner of their chatbot's partition finds them, while no sender runs.

Parked sends go back on the topic in the order of their lanes, behind everything that is there. A crash between Kafka
and MongoDB writes some of them once more, which the journal shows to be one send. Scheduled sends only change their
partition.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka.errors import KafkaError, ProducerFenced

from common.contracts import topics
from common.kafka.settings import KafkaSettings
from common.mongo import Database, DeleteOne, Document, UpdateOne, schema
from wa.connection import Say
from wa.dlq.replaying import producer_of, write
from wa.errors import Failed
from wa.partitions.moving import Known, home_of, known, parked_record, scheduled_fields
from wa.partitions.parked import older_partitions, parked_sends

TRANSACTIONAL_ID: Final = "wa-sends-requeue"
"""One id for all operators: who begins later ends an earlier run."""

_AT_ONCE: Final = 200
_BYTES_AT_ONCE: Final = 4 * 1024 * 1024
_KNOWN_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.1
_LANE: Final = [("partition", 1), ("lane", 1), ("order", 1)]
_DUE: Final = [("partition", 1), ("due", 1)]

Send = tuple[Document, Known]


@dataclass(frozen=True, slots=True)
class SendTopic:
    """The send topic: its partitions, and where each ends. `everything`: move what is parked wherever it stands."""

    partitions: int
    ends: Mapping[int, int]
    everything: bool = False


@dataclass(slots=True)
class Moved:
    """How many sends were moved, or would be. `left` are the ids of sends that are not what their documents say."""

    parked: int = 0
    scheduled: int = 0
    left: list[str] = field(default_factory=list)


async def requeue(database: Database, settings: KafkaSettings, topic: SendTopic, say: Say) -> Moved:
    """Move every waiting send that does not stand where it belongs. Repeating it is harmless.

    Raises the driver's errors, and `Failed` when Kafka does not take a batch.
    """
    moved = Moved()
    try:
        async with producer_of(settings, TRANSACTIONAL_ID) as producer:
            await _until_known(producer, topic.partitions)
            async for batch in _parked(database, topic, moved):
                await write(producer, [parked_record(one, send, topic.partitions) for one, send in batch])
                await remove(database, [one for one, _ in batch])  # only once they are on the topic
                moved.parked += len(batch)
                say(f"{moved.parked:,} parked sends are on the topic again")
    except ProducerFenced as error:
        raise Failed("another operator began the same, which ended this run: let the other finish") from error
    except (KafkaError, TimeoutError) as error:
        told = str(error) or type(error).__name__
        raise Failed(f"Kafka did not take parked sends ({told}): run `wa sends requeue` again when it works") from error
    async for batch in _scheduled(database, topic, moved):
        await change(database, batch, topic)
        moved.scheduled += len(batch)
    return moved


async def _until_known(producer: Any, partitions: int) -> None:
    """Wait until a broker tells the producer of all partitions: new ones are not known to all brokers at once."""
    async with asyncio.timeout(_KNOWN_SECONDS):
        while len(await producer.partitions_for(topics.SEND.name)) < partitions:
            await producer.client.force_metadata_update()
            await asyncio.sleep(_LOOK_SECONDS)


async def remove(database: Database, sends: Sequence[Document]) -> None:
    """Remove these parked sends, unless they were parked again. Raises the driver's errors."""
    gone = [DeleteOne({"_id": one["_id"], "token": one["token"]}) for one in sends]
    await database[schema.SEND_PARKED.name].bulk_write(gone, ordered=False)


async def change(database: Database, sends: Sequence[Send], topic: SendTopic) -> None:
    """Give these scheduled sends the partition of their chatbot. Raises the driver's errors."""
    changes = [
        UpdateOne({"_id": one["_id"], "token": one["token"]}, {"$set": scheduled_fields(one, send, topic.partitions)})
        for one, send in sends
    ]
    await database[schema.SEND_SCHEDULED.name].bulk_write(changes, ordered=False)


async def count(database: Database, topic: SendTopic) -> Moved:
    """What `requeue` would move. Raises the driver's errors."""
    moved = Moved()
    async for batch in _parked(database, topic, moved):
        moved.parked += len(batch)
    async for batch in _scheduled(database, topic, moved):
        moved.scheduled += len(batch)
    return moved


async def _parked(database: Database, topic: SendTopic, moved: Moved) -> AsyncIterator[Sequence[Send]]:
    older = older_partitions(await parked_sends(database), topic.ends)
    batch: list[Send] = []
    size = 0
    async for one in database[schema.SEND_PARKED.name].find().sort(_LANE):
        send = known(one)
        if send is None:
            moved.left.append(str(one["_id"]))
        elif topic.everything or one["partition"] in older or _is_astray(one, send, topic):
            batch.append((one, send))
            size += len(one["value"])
        if len(batch) >= _AT_ONCE or size >= _BYTES_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def _scheduled(database: Database, topic: SendTopic, moved: Moved) -> AsyncIterator[Sequence[Send]]:
    batch: list[Send] = []
    async for one in database[schema.SEND_SCHEDULED.name].find().sort(_DUE):
        send = known(one)
        if send is None:
            moved.left.append(str(one["_id"]))
        elif _is_astray(one, send, topic):
            batch.append((one, send))
        if len(batch) >= _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _is_astray(document: Document, send: Known, topic: SendTopic) -> bool:
    return bool(document["partition"] != home_of(send.chatbot_id, topic.partitions))
