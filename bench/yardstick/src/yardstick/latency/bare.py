"""The bare steps of an exchange on this broker and this mongod, one after the other, with nothing around them.

`python -m yardstick.latency.bare --kafka … --mongodb … --http-port … --rounds 50` prints, as JSON, the milliseconds of
each step in each round:

- `http`: one HTTP call to a server that answers at once;
- `record`: a record of an acks=all producer, until a reader has it;
- `acknowledged`: the same until the producer knows that all replicas have it;
- `transaction`: a Kafka transaction with one record and an offset, until a `read_committed` reader has the record;
- `documents`: the MongoDB transaction of one inbound message: two reads, three writes, the commit;
- `journal`: a durable write of one document.
"""

import argparse
import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pymongo import MongoClient, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.read_concern import ReadConcern

from common.contracts.topics import Topic
from common.kafka.admin import ensure_topics
from common.kafka.settings import KafkaSettings
from yardstick.load.webhooks import body, request

STEPS: Final = ("http", "record", "acknowledged", "transaction", "documents", "journal")
_DURABLE: Final = WriteConcern(w="majority", j=True)
_WARM: Final = 20
_PAUSE_SECONDS: Final = 0.02
_VALUE: Final = b"x" * 1_000

Clock = time.perf_counter


def sum_of(medians: dict[str, float]) -> float:
    """The least that one exchange takes, from the webhook to the call to Meta.

    Two HTTP calls, two records, the two transactions of conversation, and the claim in the journal.
    """
    twice = 2 * (medians["http"] + medians["record"])
    return twice + medians["documents"] + medians["transaction"] + medians["journal"]


@dataclass(slots=True)
class Kafka:
    """A topic with its producers, and readers that wait for the next record."""

    place: TopicPartition
    producer: AIOKafkaProducer
    transactional: AIOKafkaProducer
    reader: AIOKafkaConsumer
    group: str

    async def record(self) -> tuple[float, float]:
        """Milliseconds until a reader has a record, and until it is acknowledged."""
        reading, began = asyncio.ensure_future(self.reader.getone()), Clock()
        await self.producer.send_and_wait(self.place.topic, _VALUE, partition=self.place.partition)
        acknowledged = Clock()
        await reading
        return (Clock() - began) * 1e3, (acknowledged - began) * 1e3

    async def transaction(self) -> float:
        """Milliseconds until a reader of committed records has the record of a transaction."""
        reading, began = asyncio.ensure_future(self.reader.getone()), Clock()
        async with self.transactional.transaction():
            await self.transactional.send_and_wait(self.place.topic, _VALUE, partition=self.place.partition)
            await self.transactional.send_offsets_to_transaction({self.place: 1}, self.group)
        await reading
        return (Clock() - began) * 1e3


@asynccontextmanager
async def kafka(bootstrap: str) -> AsyncIterator[Kafka]:
    """A topic of its own, which stays behind."""
    name = f"bare-{uuid.uuid4().hex[:8]}"
    topic = Topic(name, key="none", owner="the benchmark", purpose="The bare steps of an exchange.", partitions=1)
    await ensure_topics(KafkaSettings(kafka_bootstrap_servers=bootstrap), [topic])
    place = TopicPartition(name, 0)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    transactional = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=name)
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False)
    reader.assign([place])
    async with producer, transactional, reader:
        await reader.seek_to_end()
        yield Kafka(place, producer, transactional, reader, name)


class Documents:
    """The documents of inbound messages, of one person each, and journal entries."""

    def __init__(self, client: MongoClient[dict[str, Any]], database: str) -> None:
        self._client = client
        self._there = client[database]
        self._number = 0
        self._there["messages"].create_index("wamid", unique=True)
        self._there["conversations"].create_index("aliases", unique=True)

    def transaction(self) -> float:
        """Milliseconds of one inbound message of a known person."""
        self._number += 1
        alias = f"bench|{self._number % 50}"
        self._there["conversations"].update_one({"_id": alias}, {"$set": {"aliases": [alias]}}, upsert=True)
        message = {"_id": uuid.uuid4().hex, "wamid": f"wamid.{uuid.uuid4().hex}", "raw": "x" * 600}
        began = Clock()
        with self._client.start_session() as session:
            session.with_transaction(
                lambda s: self._write(s, alias, message),
                read_concern=ReadConcern("snapshot"),
                write_concern=_DURABLE,
            )
        return (Clock() - began) * 1e3

    def _write(self, session: ClientSession, alias: str, message: dict[str, Any]) -> None:
        there = self._there
        list(there["messages"].find({"_id": {"$in": [message["_id"]]}}, session=session))
        list(there["conversations"].find({"aliases": {"$in": [alias]}}, session=session))
        there["conversations"].update_one({"_id": alias}, {"$set": {"last": message["wamid"]}}, session=session)
        there["messages"].insert_one(dict(message), session=session)
        there["webhook_events"].insert_one({"_id": message["_id"], "raw": message["raw"]}, session=session)

    def journal(self) -> float:
        """Milliseconds of one durable write."""
        journal = self._there.get_collection("journal", write_concern=_DURABLE)
        began = Clock()
        journal.insert_one({"_id": uuid.uuid4().hex, "state": "claimed", "request": "x" * 400})
        return (Clock() - began) * 1e3


async def call(port: int) -> Callable[[], Awaitable[float]]:
    """Makes calls on one connection: milliseconds until the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    content = request(body(1, customers=1))

    async def one() -> float:
        began = Clock()
        writer.write(content)
        await reader.readuntil(b"}]}")
        return (Clock() - began) * 1e3

    return one


async def measure(kafka_at: str, mongodb: str, http_port: int, rounds: int) -> dict[str, list[float]]:
    """Every step in each round, after some rounds that do not count."""
    found: dict[str, list[float]] = {step: [] for step in STEPS}
    database = f"bare_{uuid.uuid4().hex[:8]}"
    client: MongoClient[dict[str, Any]] = MongoClient(mongodb)
    http = await call(http_port)
    with client:
        documents = Documents(client, database)
        async with kafka(kafka_at) as there:
            for number in range(_WARM + rounds):
                if number == _WARM:
                    found = {step: [] for step in STEPS}
                record, acknowledged = await there.record()
                times = (await http(), record, acknowledged, await there.transaction())
                for step, milliseconds in zip(
                    STEPS, (*times, documents.transaction(), documents.journal()), strict=True
                ):
                    found[step].append(milliseconds)
                await asyncio.sleep(_PAUSE_SECONDS)
        client.drop_database(database)
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m yardstick.latency.bare", description=__doc__)
    add = parser.add_argument
    add("--kafka", required=True)
    add("--mongodb", required=True)
    add("--http-port", type=int, required=True)
    add("--rounds", type=int, default=50)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(measure(given.kafka, given.mongodb, given.http_port, given.rounds))), flush=True)


if __name__ == "__main__":
    main()
