"""A broker that may be killed, and one follower before it: what is written for it, what it noted, what it logged."""

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c

from common.contracts.topics import Topic
from common.kafka.admin import ensure_topics
from common.kafka.settings import KafkaSettings
from local_stack import LocalStack
from yardstick.followers.notes import Notes, read_notes
from yardstick.followers.work import STARTED
from yardstick.rig.program import Program, python

_POLL_SECONDS: Final = 0.1
_IMPORT_SECONDS: Final = 60.0
_MARK: Final = b"mark!"
_NO_UTF8: Final = b"ab\xff\xfe-"
_CHECKSUM: Final = slice(17, 21)  # of a batch, over all that follows

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Stage:
    """One follower of `kind` and its topic. All kinds meet a fault at once, so each loses the broker `together`."""

    stack: LocalStack
    kind: str
    together: asyncio.Barrier
    topic: str
    folder: Path

    @classmethod
    def new(cls, stack: LocalStack, kind: str, together: asyncio.Barrier, place: Path) -> "Stage":
        """A topic, a group and a folder in `place` that nothing has used; the topic is not made yet."""
        topic = f"followed-{uuid.uuid4().hex[:8]}"
        (place / topic).mkdir()
        return cls(stack, kind, together, topic, place / topic)

    @property
    def fails(self) -> Path:
        """The handler fails while this file exists."""
        return self.folder / "fails"

    @property
    def notes(self) -> Notes:
        """What the handler was given so far."""
        seen = self.folder / "seen"
        return read_notes(seen.read_text(encoding="utf-8") if seen.exists() else "")

    @asynccontextmanager
    async def member(self) -> AsyncIterator[Program]:
        """The follower, on any core, from when it begins to connect."""
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.stack.kafka_bootstrap_servers,
            "ENV_FILE": "",
            "GROUP": self.topic,
            "TOPIC": self.topic,
            "SEEN": str(self.folder / "seen"),
            "FAILS": str(self.fails),
        }
        command = python("yardstick.followers.member", self.kind)
        async with Program(self.kind, command, environment, all_cores()) as program:
            async with asyncio.timeout(_IMPORT_SECONDS):
                while STARTED not in program.lines():
                    await asyncio.sleep(_POLL_SECONDS)
            yield program

    async def make_topic(self) -> None:
        """One partition, so that everything is in order."""
        settings = KafkaSettings(kafka_bootstrap_servers=self.stack.kafka_bootstrap_servers)
        await ensure_topics(settings, [Topic(self.topic, "k", "bench", "", partitions=1)])

    async def write(self, values: Sequence[str], headers: Headers = ()) -> None:
        """These, one after another."""
        async with self._producer() as producer:
            for value in values:
                await producer.send_and_wait(self.topic, value.encode(), headers=list(headers), partition=0)

    async def write_with_odd_name(self, value: str) -> None:
        """A record whose header has a name that is no UTF-8, which Kafka's other clients can write."""
        async with self._producer() as producer:
            batch = producer.create_batch()
            headers = [(_MARK.decode(), b"h")]
            batch.append(key=None, value=value.encode(), timestamp=int(time.time() * 1000), headers=headers)
            spoil(batch)
            await (await producer.send_batch(batch, self.topic, partition=0))

    async def wait_for(self, wanted: Callable[[Notes], bool], seconds: float) -> bool:
        """Whether the notes are as `wanted` within `seconds`."""
        ends = time.monotonic() + seconds
        while not wanted(self.notes):
            if time.monotonic() > ends:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    async def members(self) -> int:
        """How many members the group has, as Kafka knows it."""
        async with self._admin() as admin:
            (response,) = await admin.describe_consumer_groups([self.topic])
            return len(response.groups[0][5])

    async def committed(self) -> int:
        """Up to which offset the group has committed."""
        async with self._admin() as admin:
            return sum(max(0, one.offset) for one in (await admin.list_consumer_group_offsets(self.topic)).values())

    async def lose_kafka(self) -> None:
        """Kill the broker, once every kind is here."""
        await self._once(self.stack.kafka.kill)

    async def give_kafka_back(self) -> None:
        """Start the broker again, once every kind is here; returns when it is ready."""
        await self._once(self.stack.kafka.restart)

    async def _once(self, deed: Callable[[], object]) -> None:
        if await self.together.wait() == 0:
            await asyncio.to_thread(deed)
        await self.together.wait()

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.stack.kafka_bootstrap_servers)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    def _producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(bootstrap_servers=self.stack.kafka_bootstrap_servers, acks="all")


def all_cores() -> frozenset[int]:
    """Every core that this process may use."""
    return frozenset(os.sched_getaffinity(0))


def spoil(batch: BatchBuilder) -> None:
    """Give the header a name that is no UTF-8, and the batch its checksum."""
    raw: Any = bytearray(batch._build().replace(_MARK, _NO_UTF8))  # noqa: SLF001  # no client writes such a name
    raw[_CHECKSUM] = calc_crc32c(bytes(raw[_CHECKSUM.stop :])).to_bytes(4, "big")
    batch._buffer = raw  # noqa: SLF001  # a batch that no client writes
