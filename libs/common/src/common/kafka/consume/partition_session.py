"""The right to a slot's partitions while a group member has them: fetch, and commit in one transaction."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from common.kafka.consume.committer import Committer
from common.kafka.metrics import note_read, note_written
from common.kafka.records import Outgoing

Records = Mapping[TopicPartition, Sequence[ConsumerRecord[bytes, bytes]]]
Worker = Callable[["PartitionSession"], Awaitable[None]]


class Halted(Exception):
    """Raised by a worker when this process must not go on: its group member leaves, and tries again later."""


@dataclass(eq=False)
class PartitionSession:
    """The right to one slot's partitions, from assignment to revocation, or to a failed transaction of this process.

    `stopping` is set when the worker should finish what it has begun and return; `fetch` then returns nothing.
    A worker that waits for something else calls `tried` after each attempt: it waits, and does not hang.
    `committed` are the offsets up to which all is finished, by partition.
    """

    slot: str
    partitions: frozenset[TopicPartition]
    group: str
    consumer: AIOKafkaConsumer
    committer: Committer
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    on_progress: Callable[[], None] = lambda: None
    tried: Callable[[], None] = lambda: None
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    _fetching: set["asyncio.Task[Records]"] = field(default_factory=set)

    async def fetch(
        self, partitions: Collection[TopicPartition] = (), *, max_records: int, timeout_ms: int = 1_000
    ) -> Records:
        """The next records of these partitions (of all the slot's, by default), in order; empty when none came."""
        if self.stopping.is_set():
            return {}
        wanted = partitions or self.partitions
        task: asyncio.Task[Records] = asyncio.ensure_future(
            self.consumer.getmany(*wanted, timeout_ms=timeout_ms, max_records=max_records)
        )
        self._fetching.add(task)
        try:
            records: Records = await task
        except asyncio.CancelledError:
            # `stop` cancels only the fetch; a cancellation of the worker itself must go on.
            if self.stopping.is_set() and task.cancelled():
                return {}
            task.cancel()
            raise
        finally:
            self._fetching.discard(task)
        self.on_progress()
        note_read(records)
        return records

    async def commit(self, outgoing: Sequence[Outgoing], offsets: Mapping[TopicPartition, int]) -> None:
        """Write `outgoing` and commit `offsets` (the next to read) in one transaction: all of it or nothing.

        What other sessions of this process commit at the same time is in the same transaction. A commit after a silence
        waits for no other; under load it waits for them, as long as `PartitionGroup` allows.

        Raises `KafkaError`; the caller lets it pass, and the session starts again from what is committed.
        """
        if not outgoing and not offsets:
            return
        began = time.time_ns()
        await self.committer.commit(outgoing, offsets)
        self.committed.update(offsets)
        note_written(outgoing, began)
        self.on_progress()

    def stop(self) -> None:
        """Ask the worker to finish; a waiting fetch returns at once (it would wait for the rebalance otherwise)."""
        self.stopping.set()
        for task in self._fetching:
            task.cancel()
