"""Commits one batch while the next one is applied."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from common.kafka.consume.partition_session import PartitionSession
from common.kafka.records import Outgoing

Offsets = Mapping[Any, int]
"""By partition: the next offset to read."""


class Commits:
    """The commits of a session: one at a time, in order. Leaving it waits for the one that is under way.

    MongoDB may have a batch whose predecessor's events are not in Kafka yet (docs/decisions/0038). A commit that fails
    is raised by whatever is called next, and nothing after it is committed.
    """

    def __init__(self, session: PartitionSession) -> None:
        self._session = session
        self._under_way: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.finished()
        elif (under_way := self._under_way) is not None:
            if isinstance(error, asyncio.CancelledError):
                under_way.cancel()
            await asyncio.wait([under_way])
            if not under_way.cancelled():
                under_way.exception()  # retrieved; the first error is the one to raise

    async def finished(self) -> None:
        """Wait until all is committed. Raises `KafkaError`."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            await under_way

    async def commit(self, outgoing: Sequence[Outgoing], offsets: Offsets, done: Callable[[], None]) -> None:
        """Commit, and call `done`. Raises `KafkaError`, of this commit or of the one before."""
        await self.finished()
        await self._commit(outgoing, offsets, done)

    async def begin(self, outgoing: Sequence[Outgoing], offsets: Offsets, done: Callable[[], None]) -> None:
        """Begin to commit, and return. Raises `KafkaError` of the commit before."""
        await self.finished()
        self._under_way = asyncio.create_task(self._commit(outgoing, offsets, done), name="commit")

    async def _commit(self, outgoing: Sequence[Outgoing], offsets: Offsets, done: Callable[[], None]) -> None:
        await self._session.commit(outgoing, offsets)
        done()
