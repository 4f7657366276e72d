"""How topics and the groups on them stand: what a choice needs to know before its topics are raised."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code

from common.contracts import topics
from common.contracts.reports import EVERY_SECONDS
from common.errors import Unavailable
from common.kafka.admin import describe_topics
from common.kafka.clients import connection, make_reader
from common.kafka.consume.progress import Progress
from common.kafka.settings import KafkaSettings
from wa.partitions.choice import INGRESS, Choice, Seen

_ASKING_MS: Final = 10_000
_QUIET_MS: Final = round(3 * EVERY_SECONDS * 1000)
"""An ingress that has not reported for so long does not run."""

_PATIENCE_SECONDS: Final = 15.0
_AGAIN_SECONDS: Final = 0.5

_NOT_LET: Final = (29, 30)  # TOPIC_AUTHORIZATION_FAILED, GROUP_AUTHORIZATION_FAILED
_ABSENT: Final = (0, 69)  # GROUP_ID_NOT_FOUND
_REPORTS: Final = TopicPartition(topics.INGRESS_REPORTS.name, 0)


class Looker:
    """Looks at the topics of a choice. `groups` are the names of our groups by their role, `without` is left out."""

    def __init__(
        self,
        settings: KafkaSettings,
        admin: AIOKafkaAdminClient,
        reader: AIOKafkaConsumer,
        progress: Progress,
        groups: Mapping[str, str],
        without: Collection[str] = (),
    ) -> None:
        self._settings = settings
        self._admin = admin
        self._reader = reader
        self._progress = progress
        self._groups = groups
        self._without = without

    async def counts(self, choice: Choice) -> dict[str, int]:
        """The partitions of the topics that exist. Raises `KafkaError`, `TimeoutError`."""
        there = await describe_topics(self._settings)
        return {name: there[name].partitions for name in choice.names if name in there}

    async def led(self, choice: Choice, partitions: int) -> bool:
        """Whether every topic has so many partitions, each with a leader. Raises `KafkaError`, `TimeoutError`."""
        there = await describe_topics(self._settings)
        return all(there[name].led and there[name].partitions == partitions for name in choice.names)

    async def look(self, choice: Choice) -> Seen:
        """Everything about the topics. Asks again for a while where Kafka has no answer yet, as a new one for groups.

        Raises `KafkaError`, `TimeoutError`, `Unavailable`.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return await self._look(choice)
            except (KafkaError, Unavailable) as error:
                if time.monotonic() > deadline or not getattr(error, "retriable", True):
                    raise
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _look(self, choice: Choice) -> Seen:
        counts = await self.counts(choice)
        ends = {name: await self._progress.ends(name) for name in counts}
        flat = {(tp.topic, tp.partition): end for of in ends.values() for tp, end in of.items()}
        if choice.stop is None:
            return Seen(counts, flat)
        unread, hidden = await self._unread(choice, ends)
        roles = {name: role for role, name in self._groups.items()}
        return Seen(counts, flat, unread, roles, tuple(hidden), await self._writing(choice.stop))

    async def members(self, role: str) -> int:
        """How many members the group of this role has now. Raises `KafkaError`, also when it may not be looked at."""
        described = await self._described([self._groups[role]])
        for group in described:
            if group[0] not in _ABSENT:
                raise for_code(group[0])(f"the group {group[1]} could not be looked at")
        return sum(len(group[5]) for group in described)

    async def _unread(
        self, choice: Choice, ends: Mapping[str, Mapping[TopicPartition, int]]
    ) -> tuple[dict[str, int], list[str]]:
        ours = {self._groups[role] for role in choice.readers}
        unread: dict[str, int] = {}
        hidden = []
        for group in sorted((ours | set(await self._all_groups())) - set(self._without)):
            if any(group_[0] in _NOT_LET for group_ in await self._described([group])):
                hidden.append(group)
                continue
            for of in ends.values():
                at = await self._admin.list_consumer_group_offsets(group, partitions=list(of))
                if group not in ours and all(found.offset < 0 for found in at.values()):
                    continue
                unread.setdefault(group, 0)
                if not await self._progress.has_read(group, of):
                    unread[group] += max(1, sum(_left(end, at.get(tp)) for tp, end in of.items()))
        return unread, hidden

    async def _all_groups(self) -> list[str]:
        """The groups of consumers that this user may see."""
        return [name for name, kind in await self._admin.list_consumer_groups() if kind in ("consumer", "")]

    async def _described(self, groups: Iterable[str]) -> list[Any]:
        return [group for answer in await self._admin.describe_consumer_groups(list(groups)) for group in answer.groups]

    async def _writing(self, service: str) -> bool:
        if service != INGRESS:
            return await self.members(service) > 0
        self._reader.assign([_REPORTS])
        found = await self._reader.offsets_for_times({_REPORTS: int(time.time() * 1000) - _QUIET_MS})
        return found[_REPORTS] is not None


def _left(end: int, at: Any) -> int:
    return max(0, end - max(0, at.offset if at is not None else 0))


@asynccontextmanager
async def looking(
    settings: KafkaSettings, groups: Mapping[str, str], without: Collection[str] = ()
) -> AsyncIterator[Looker]:
    """A looker with its connections. Raises `KafkaError`, `TimeoutError`."""
    admin = AIOKafkaAdminClient(**connection(settings), request_timeout_ms=_ASKING_MS)
    reader, progress = make_reader(settings), Progress(settings)
    try:
        await admin.start()
        await reader.start()
        yield Looker(settings, admin, reader, progress, groups, without)
    finally:
        await progress.close()
        await reader.stop()
        await admin.close()
