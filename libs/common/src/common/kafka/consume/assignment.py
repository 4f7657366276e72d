"""What one rebalance gave to a member: partitions, a place in the group, and one transactional producer for all.

Opening the producer

1. reads which producers the committed offsets name, and makes sure that the group has not gone on without this member.
   So the names are those of predecessors, never of a successor;
2. ends these predecessors: what they have open is aborted, and what they still send is refused;
3. reads the offsets once more, now stable: no open transaction can change them any more;
4. writes its own name there, so that a successor can do the same.

Two fences stand behind one another. The name ends a predecessor at once, also one that died within a transaction. The
generation of the member, which travels with each commit, makes the broker refuse a predecessor that no offset names.
"""

import asyncio
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from common.kafka.consume.committer import Committer, StaleSession
from common.kafka.wire.membership import Membership, named_in, transactional_id
from common.tasks import cancel

CLOSE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class AssignmentParts:
    """What the assignments of a member share. `former_ids` are names that the release before gave its producers."""

    group: str
    make_producer: Callable[[str, Membership], Any]
    former_ids: Callable[[Collection[TopicPartition]], Iterable[str]]
    gap: float


class Assignment:
    """Opens the producer when the first slot asks, and again after a failure. `on_failure` is called at each failure.

    **Invariants:**

    - All producers of an assignment have one name, so each ends what the one before it had open.
    - Offsets that were read when a producer was opened begin one session of a partition. Later sessions read anew.
    """

    def __init__(
        self,
        consumer: Any,
        partitions: Collection[TopicPartition],
        parts: AssignmentParts,
        on_failure: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self._partitions = frozenset(partitions)
        self._parts = parts
        self._on_failure = on_failure
        self._membership: Membership = consumer.membership()
        self._name = transactional_id(parts.group, uuid.uuid4().hex)
        self._ended: set[str] = {self._name}
        self._producer: Any = None
        self._committer: Committer | None = None
        self._unused: dict[TopicPartition, int] = {}
        self._opening: asyncio.Task[Committer] | None = None

    async def begin(self, partitions: Collection[TopicPartition]) -> tuple[Committer, dict[TopicPartition, int]]:
        """A committer for a new session of these partitions, and the offsets where it begins. Raises `KafkaError`."""
        committer = await self._open_committer()
        await committer.settled()
        if not committer.usable:
            raise StaleSession
        if self._unused.keys() >= set(partitions):
            return committer, {tp: self._unused.pop(tp) for tp in partitions}
        return committer, await self._starts(await self._consumer.offsets(partitions, stable=True), partitions)

    async def close(self) -> None:
        """End the producer. A transaction under way is waited for, a few seconds at most."""
        await cancel([self._opening])
        await self._close_producer()

    async def _open_committer(self) -> Committer:
        if self._opening is None or self._opening.done():
            if self._committer is not None and self._committer.usable:
                return self._committer
            self._opening = asyncio.create_task(self._open(), name=f"open {self._name}")
        return await asyncio.shield(self._opening)

    async def _open(self) -> Committer:
        await self._close_producer()
        await self._end_predecessors_of(await self._consumer.offsets(self._partitions, stable=False))
        found = await self._consumer.offsets(self._partitions, stable=True)
        self._unused = await self._starts(found, self._partitions)
        unnamed = {tp for tp in self._partitions if tp not in found or found[tp].metadata != self._name}
        committer = Committer(
            self._producer,
            self._name,
            self._parts.group,
            gap=self._parts.gap,
            on_failure=self._on_failure,
        )
        self._committer = committer
        if unnamed:
            await committer.commit([], {tp: self._unused[tp] for tp in unnamed})
        return committer

    async def _end_predecessors_of(self, marks: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        found = (named_in(self._parts.group, mark.metadata) for mark in marks.values())
        named = {name for name in found if name is not None}
        predecessors = {*named, *self._parts.former_ids(self._partitions)} - self._ended
        await self._consumer.confirm(self._membership)  # after the names were read: else they may be successors'
        self._producer = self._parts.make_producer(self._name, self._membership)
        await self._producer.start()
        await self._producer.end(predecessors)
        self._ended |= predecessors

    async def _starts(
        self, found: Mapping[TopicPartition, OffsetAndMetadata], partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Where to begin: at the committed offset, or at the beginning of a partition without one."""
        new = [tp for tp in partitions if tp not in found]
        starts: dict[TopicPartition, int] = await self._consumer.beginning_offsets(new) if new else {}
        return {tp: found[tp].offset if tp in found else starts[tp] for tp in partitions}

    async def _close_producer(self) -> None:
        committer, self._committer = self._committer, None
        producer, self._producer = self._producer, None
        if committer is not None:
            await committer.close(CLOSE_SECONDS)
        if producer is not None:
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await producer.stop()
