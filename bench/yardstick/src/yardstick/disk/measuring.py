"""Measures the sides, one after the other in each round: a process writes, and leads to sizes and CPU times."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from pymongo import AsyncMongoClient

from local_stack import LocalStack
from yardstick.disk.side import OWN, TOPICS
from yardstick.disk.sizes import Stored, of_collections, of_topics
from yardstick.rig.measurements import cpu_of
from yardstick.rig.rig import Say

_SOURCES: Final = Path(__file__).parents[2]
_WARMING: Final = 40
_CACHE: Final = "cache_size=2G"


@dataclass(frozen=True, slots=True)
class Side:
    """What is measured: an interpreter, its settings, and whether collections are made without options."""

    name: str
    interpreter: str = sys.executable
    settings: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False


@dataclass(frozen=True, slots=True)
class OnTopics:
    """Bytes of each topic for one turn, and µs of CPU time for one turn, by process."""

    side: str
    together: int
    topics: Mapping[str, float]
    cpu_us: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class InCollections:
    """Each collection for one turn, and mongod's µs of CPU time for one turn."""

    side: str
    collections: Mapping[str, Stored]
    mongod_us: float


class Measuring:
    """One broker and one mongod, and what the sides leave there."""

    def __init__(self, stack: LocalStack, say: Say) -> None:
        self._stack = stack
        self._say = say
        self._pids = {cluster.kind: cluster.nodes[1].pid or 0 for cluster in stack.clusters}

    async def topics(self, side: Side, turns: int, together: int) -> OnTopics:
        """So many turns on new topics, `together` of them under way at the same time."""
        await self._without_topics()
        before = cpu_of(self._pids)
        own = await _run(side, "topics", self._stack.kafka_bootstrap_servers, turns, "--together", str(together))
        broker = cpu_of(self._pids)["kafka"] - before["kafka"]
        sizes = of_topics(self._stack.kafka.nodes[1].folder / "data", [topic.name for topic in TOPICS])
        found = OnTopics(
            side.name,
            together,
            {name: size / turns for name, size in sizes.items()},
            {**own, "broker": broker / turns * 1e6},
        )
        self._say(f"{side.name}, {together} together: {sum(found.topics.values()):,.0f} B on topics, {found.cpu_us}")
        return found

    async def collections(self, side: Side, turns: int) -> InCollections:
        """So many turns in a new database, which is dropped then."""
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(self._stack.mongodb_uri)
        async with client:
            await client.admin.command("setParameter", 1, wiredTigerEngineRuntimeConfig=_CACHE)
            await client.drop_database("disk")
            before = cpu_of(self._pids)
            more = ["--database", "disk", *(["--plain"] if side.plain else [])]
            await _run(side, "collections", self._stack.mongodb_uri, turns, *more)
            sizes = await of_collections(client["disk"], [collection.name for collection in OWN])
            mongod = (cpu_of(self._pids)["mongo"] - before["mongo"]) / turns * 1e6
            await client.drop_database("disk")
        found = InCollections(side.name, {name: _each(size, turns) for name, size in sizes.items()}, mongod)
        total = sum(one.total for one in found.collections.values())
        self._say(f"{side.name}: {total:,.0f} B in collections, mongod {mongod:.0f} µs")
        return found

    async def _without_topics(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._stack.kafka_bootstrap_servers)
        await admin.start()
        try:
            names = {topic.name for topic in TOPICS}
            if there := sorted(names & set(await admin.list_topics())):
                await admin.delete_topics(there)
            while names & set(await admin.list_topics()):
                await asyncio.sleep(0.05)
        finally:
            await admin.close()


def _each(size: Stored, turns: int) -> Stored:
    return Stored(size.bson / turns, size.documents / turns, {name: n / turns for name, n in size.indexes.items()})


async def _run(side: Side, what: str, at: str, turns: int, *more: str) -> dict[str, float]:
    """What the side's process says of itself. Raises `RuntimeError` when it fails."""
    # The measuring code is ours on every side, the services are the side's.
    environment = {**os.environ, **side.settings, "PYTHONPATH": str(_SOURCES), "ENV_FILE": ""}
    command = [side.interpreter, "-m", "yardstick.disk.side", what, "--at", at, "--turns", str(turns), *more]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{side.name} failed with {process.returncode}")
    done: dict[str, float] = json.loads(output)
    return done


async def measure(
    stack: LocalStack, sides: Sequence[Side], together: Sequence[int], turns: tuple[int, int], rounds: int, say: Say
) -> tuple[list[OnTopics], list[InCollections]]:
    """All sides in each round, in every second one backwards. `turns` are those on topics and those in collections."""
    measuring = Measuring(stack, say)
    if turns[0]:
        await measuring.topics(sides[0], turns[0], _WARMING)  # until the broker's compiler has seen it all
    order = [
        (side, count)
        for nth in range(rounds if turns[0] else 0)
        for count in together
        for side in (sides if nth % 2 == 0 else reversed(sides))
    ]
    on_topics = [await measuring.topics(side, turns[0], count) for side, count in order]
    return on_topics, [await measuring.collections(side, turns[1]) for side in sides if turns[1]]
