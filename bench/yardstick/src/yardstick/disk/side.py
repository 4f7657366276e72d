"""`python -m yardstick.disk.side`: one side of a measurement writes; says in JSON what it did with how much CPU time.

A process of its own, so that the services of an earlier commit can be such a side, under their own interpreter. It uses
what these have in common: names that a commit does not have are not used here.
"""

import argparse
import asyncio
import json
import logging
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Self

from pydantic import SecretStr

from common.contracts import topics
from common.kafka.admin import ensure_topics
from common.kafka.clients import make_reader, make_transactional_producer
from common.kafka.produce.batches import write_all
from common.kafka.produce.publisher import Publisher
from common.kafka.records import Outgoing
from common.kafka.settings import KafkaSettings
from common.mongo import Mongo, MongoSettings, schema
from yardstick.disk.turns import VariedTurn, steps_of, varied
from yardstick.stored.turn import People
from yardstick.stored.work import CONVERSATION, SENDER, Work, ensure_indexes

_CHUNK: Final = 5_000
_BATCH: Final = 2_000
_READ_SECONDS: Final = 120
RECORDS: Final = 11
"""Of a turn, on all topics."""
TOPICS: Final = (topics.WEBHOOKS, topics.INCOMING_MESSAGES, topics.MESSAGE_STATUS, topics.SEND, topics.SEND_RESULTS)
OWN: Final = (*CONVERSATION, schema.USAGE_DAYS, *SENDER) if hasattr(schema, "USAGE_DAYS") else (*CONVERSATION, *SENDER)


def turns_of(count: int, first: int, number: int) -> list[VariedTurn]:
    """Some of the turns of a run with `count` in all."""
    people = People.of(count, datetime.now(UTC))
    return [varied(people, nth) for nth in range(first, min(first + number, count))]


class Writers:
    """The producers of all services, in one process."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._publisher = Publisher(settings)
        self._transactional = make_transactional_producer(settings, f"disk-{os.getpid()}")

    async def __aenter__(self) -> Self:
        await self._publisher.start()
        await self._transactional.start()
        while not self._publisher.connected:
            await asyncio.sleep(0.05)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._publisher.stop()
        await self._transactional.stop()

    async def write(self, who: str, records: Sequence[Outgoing]) -> None:
        """Write as this service does: HTTP handlers each for themselves, workers in a transaction."""
        if who in ("ingress", "sender's API"):
            await asyncio.gather(*(self._publisher.publish([record]) for record in records))
            return
        async with self._transactional.transaction():
            await write_all(self._transactional, records)


async def write_topics(kafka: str, count: int, together: int) -> dict[str, float]:
    """Write what `count` turns write to topics, `together` at a time, and read it once."""
    settings = KafkaSettings(kafka_bootstrap_servers=kafka)
    await ensure_topics(settings, TOPICS)
    used = read = 0.0
    async with Writers(settings) as writers:
        for first in range(0, count, together):
            steps = steps_of(turns_of(count, first, together))
            began = time.process_time()
            for who, records in steps:
                await writers.write(who, records)
            used += time.process_time() - began
    async with make_reader(settings, *(topic.name for topic in TOPICS)) as reader:
        began, left = time.process_time(), count * RECORDS
        async with asyncio.timeout(_READ_SECONDS):
            while left > 0:
                left -= sum(map(len, (await reader.getmany(timeout_ms=1_000)).values()))
        read = time.process_time() - began
    return {"producers": used / count * 1e6, "reader": read / count * 1e6}


async def write_collections(uri: str, database: str, count: int, *, plain: bool) -> dict[str, float]:
    """Write what `count` turns write to collections. `plain`: these are made without options first."""
    settings = MongoSettings(mongodb_uri=SecretStr(uri), mongodb_database=database)
    mongo, sender = Mongo(settings), Mongo(settings, retry_writes=False)
    try:
        if plain:
            for collection in OWN:
                await mongo.database.create_collection(collection.name)
        await ensure_indexes(mongo)
        for first in range(0, count, _CHUNK):
            work = Work(turns_of(count, first, _CHUNK), _BATCH, at_once=False)
            await work.conversation(mongo)
            await work.sender(sender)
    finally:
        await mongo.close()
        await sender.close()
    return {}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["topics", "collections"])
    parser.add_argument("--at", required=True)
    parser.add_argument("--turns", type=int, required=True)
    parser.add_argument("--together", type=int, default=1)
    parser.add_argument("--database", default="")
    parser.add_argument("--plain", action="store_true")
    given = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)  # new topics have no leader at first, and the driver says so
    if given.what == "topics":
        done = asyncio.run(write_topics(given.at, given.turns, given.together))
    else:
        done = asyncio.run(write_collections(given.at, given.database, given.turns, plain=given.plain))
    print(json.dumps(done))


if __name__ == "__main__":
    main()
