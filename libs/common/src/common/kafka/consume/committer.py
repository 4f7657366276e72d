"""Commits for all sessions of an assignment: what they ask for at the same time is one transaction.

A transaction costs the same for one record as for hundreds (about 2 ms of this process, and more of the broker). Its
cost does not depend on how many partitions it has, so sessions share it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from common.kafka.produce.batches import write_all
from common.kafka.records import Outgoing
from common.telemetry.metrics import TRANSACTION_SECONDS

Offsets = Mapping[TopicPartition, int]

STEP_SECONDS: Final = 0.033
"""How far apart transactions begin, unless a group says otherwise. Closer together, the broker still ends the one
before, and the driver has to ask again."""

_PLENTY: Final = 200  # records: more of them would not make each noticeably cheaper
_ABORT_SECONDS: Final = 1.0
_MOST: Final = 5_000  # records of one transaction; the rest is for the next


class StaleSession(KafkaError):  # type: ignore[misc]  # aiokafka ships no type information
    """A transaction failed before, perhaps of another session: this one starts again from the committed offsets."""


@dataclass(eq=False, slots=True)
class _Commit:
    outgoing: Sequence[Outgoing]
    offsets: Offsets
    done: "asyncio.Future[None]"


class Committer:
    """One transactional producer, from when it is open until its first failure.

    Transactions begin `gap` seconds apart at least, so a commit after a silence waits for no other. `on_failure` is
    called once, when a transaction has failed.

    **Invariants:**

    - Commits are written in the order in which they were asked for. Each is in one transaction as a whole.
    - One transaction runs at a time. Nothing is committed after one that failed: each later caller gets `StaleSession`.
    - A commit whose caller is cancelled is not written, unless its transaction has begun. `settled` waits for that.
    - Each offset carries `name`, the producer's transactional id, as its metadata.
    """

    def __init__(self, producer: Any, name: str, group: str, *, gap: float, on_failure: Callable[[], None]) -> None:
        self._producer = producer
        self._name = name
        self._group = group
        self._gap = gap
        self._on_failure = on_failure
        self._waiting: list[_Commit] = []
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._opens_at = float("-inf")
        self._closed = False
        self._failed = False
        self._task = asyncio.create_task(self._run(), name=f"commits of {name}")

    @property
    def usable(self) -> bool:
        """Whether it takes commits."""
        return not (self._failed or self._closed)

    async def commit(self, outgoing: Sequence[Outgoing], offsets: Offsets) -> None:
        """Write these records and offsets in one transaction, perhaps with others. Raises `KafkaError`."""
        if not self.usable:
            raise StaleSession
        commit = _Commit(outgoing, offsets, asyncio.get_running_loop().create_future())
        self._waiting.append(commit)
        self._changed.set()
        try:
            await commit.done
        except asyncio.CancelledError:
            if commit in self._waiting:
                self._waiting.remove(commit)
            raise

    async def settled(self) -> None:
        """Wait for the end of the transaction that runs now. After it, no commit of a cancelled caller is under way."""
        await self._idle.wait()

    async def close(self, seconds: float) -> None:
        """Take nothing more. Waits at most so long for the transaction that runs, and then cuts it off."""
        self._closed = True
        self._changed.set()
        await asyncio.wait([self._task], timeout=seconds)
        for _ in range(2):  # the first ends the transaction by an abort, the second ends an abort without an answer
            self._task.cancel()
            await asyncio.wait([self._task], timeout=_ABORT_SECONDS)
        self._fail(self._waiting, StaleSession())

    async def _run(self) -> None:
        while not self._closed:
            await self._changed.wait()
            await self._company()
            batch = self._next()
            if not batch:
                continue
            try:
                await self._transaction(batch)
            except BaseException as error:  # noqa: BLE001  # whatever it was, this producer cannot be used any more
                self._give_up(batch, error)
                return

    async def _company(self) -> None:
        """Wait for others while it is too early for a transaction."""
        clock = asyncio.get_running_loop().time
        self._changed.clear()
        while (left := self._opens_at - clock()) > 0 and not self._closed and self._records() < _PLENTY:
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                return
            self._changed.clear()

    def _records(self) -> int:
        return sum(len(commit.outgoing) for commit in self._waiting)

    def _next(self) -> list[_Commit]:
        """What the next transaction takes. What is left keeps its place, and comes after it."""
        count, records = 0, 0
        while count < len(self._waiting) and (not count or records < _MOST):
            records += len(self._waiting[count].outgoing)
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        if self._waiting:
            self._changed.set()
        return batch

    async def _transaction(self, batch: Sequence[_Commit]) -> None:
        self._opens_at = asyncio.get_running_loop().time() + self._gap
        outgoing = [record for commit in batch for record in commit.outgoing]
        offsets: dict[TopicPartition, OffsetAndMetadata] = {}
        for commit in batch:
            offsets.update({tp: OffsetAndMetadata(offset, self._name) for tp, offset in commit.offsets.items()})
        self._idle.clear()
        try:
            with TRANSACTION_SECONDS.labels(self._group).time():
                async with self._producer.transaction():
                    await self._write(outgoing, offsets)
        finally:
            self._idle.set()
        for commit in batch:
            if not commit.done.done():
                commit.done.set_result(None)

    async def _write(self, outgoing: Sequence[Outgoing], offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Both at the same time: the brokers need neither for the other, and a transaction ends after both."""
        if not offsets:
            await write_all(self._producer, outgoing)
            return
        outcomes = await asyncio.gather(
            write_all(self._producer, outgoing),
            self._producer.send_offsets_to_transaction(offsets, self._group),
            return_exceptions=True,
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    def _give_up(self, batch: Sequence[_Commit], error: BaseException) -> None:
        self._failed = True
        waiting, self._waiting = self._waiting, []
        self._fail([*batch, *waiting], error if isinstance(error, Exception) else StaleSession())
        self._on_failure()

    @staticmethod
    def _fail(commits: Sequence[_Commit], error: Exception) -> None:
        for commit in commits:
            if not commit.done.done():
                commit.done.set_exception(error)
