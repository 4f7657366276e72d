"""The test rig: a real broker and a real mongod on their own cores, topics, and clients to fill and to watch them."""

import asyncio
import os
import socket
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from pymongo import AsyncMongoClient

from common.contracts.topics import Topic
from common.kafka.admin import ensure_topics
from common.kafka.records import Outgoing
from common.kafka.settings import KafkaSettings
from local_stack import LocalStack
from yardstick.rig.machine import Cores, cores
from yardstick.rig.program import Program

PARTITIONS: Final = 6
FAKE_KEYS: Final = '{"bench": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}'
"""Sample signing keys that services need."""

_WINDOW: Final = 2_000

Say = Callable[[str], None]


def say(line: str) -> None:
    """Print progress."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Rig:
    """The addresses of everything, and the pids of what works for the measured processes, by name.

    `pids` is empty when Kafka and MongoDB run elsewhere.
    """

    kafka: str
    mongodb: str
    cores: Cores
    pids: Mapping[str, int] = field(default_factory=dict)

    def settings(self, **more: str) -> dict[str, str]:
        """The environment of a service on this rig."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "MONGODB_URI": self.mongodb,
            "HTTP_HOST": "127.0.0.1",
            "LOG_LEVEL": "WARNING",
            "ENV_FILE": "",  # ignore the developer's `.env`
            **more,
        }

    def service(self, name: str, command: Sequence[str], port: int, ready: str, **more: str) -> Program:
        """A process under measurement, on the service's own core, which listens on `port`."""
        environment = self.settings(HTTP_PORT=str(port), **more)
        return Program(name, command, environment, self.cores.service, f"http://127.0.0.1:{port}{ready}")

    def helper(self, name: str, command: Sequence[str], ready_url: str | None = None) -> Program:
        """A process that is not measured, on the other cores."""
        return Program(name, command, {}, self.cores.rest, ready_url)

    async def fresh_topics(self, *topics: Topic, partitions: int = PARTITIONS) -> None:
        """Delete the topics if they exist, and create them again."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        try:
            names = {topic.name for topic in topics}
            there = names & set(await admin.list_topics())
            if there:
                await admin.delete_topics(sorted(there))
            while names & set(await admin.list_topics()):
                await asyncio.sleep(0.05)
        finally:
            await admin.close()
        await ensure_topics(KafkaSettings(kafka_bootstrap_servers=self.kafka), topics, partitions=partitions)

    async def fill(self, records: Iterable[Outgoing]) -> int:
        """Write records as fast as Kafka takes them; how many."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, enable_idempotence=True, linger_ms=5)
        count, waiting = 0, []
        async with producer:
            for record in records:
                waiting.append(
                    await producer.send(
                        record.topic, record.value, key=record.key.encode(), headers=list(record.headers)
                    )
                )
                count += 1
                if len(waiting) >= _WINDOW:
                    await asyncio.gather(*waiting)
                    waiting.clear()
            await asyncio.gather(*waiting)
        return count

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[Any]:
        """A new database, which is removed at the end."""
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(self.mongodb)
        async with client:
            await client.drop_database(name)
            try:
                yield client[name]
            finally:
                await client.drop_database(name)


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    """Start both, away from the service's core; stop them at the end."""
    split = cores()
    os.sched_setaffinity(0, split.rest)  # started processes inherit it
    # Otherwise the JVM would not optimise, and the measurement would show that.
    stack = LocalStack(fast_boot=False, kafka_heap_mb=1024)
    await asyncio.to_thread(stack.start)
    try:
        yield Rig(stack.kafka_bootstrap_servers, stack.mongodb_uri, split, _pids(stack))
    finally:
        await asyncio.to_thread(stack.stop)


def _pids(stack: LocalStack) -> dict[str, int]:
    names = {"kafka": "broker", "mongo": "mongod"}
    first = {names[cluster.kind]: cluster.nodes[1].pid for cluster in stack.clusters}
    return {name: pid for name, pid in first.items() if pid is not None}


def free_port() -> int:
    """A port on which no process listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fresh_name() -> str:
    """A new database and a new consumer group."""
    return f"bench_{uuid.uuid4().hex[:8]}"
