"""Reads that a caller waits for: with a limit, and from a secondary when the primary does not answer in time.

A secondary is behind by what it has yet to copy. So only what may be behind is read there, as of one moment that
a majority has confirmed, and with that moment (docs/decisions/0051).
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

import pymongo
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import ServerSelectionTimeoutError
from pymongo.read_preferences import Secondary

from common.errors import NotFound, Unavailable
from common.mongo.client import SELECTION_SECONDS, Database, Mongo
from common.mongo.compare_and_set import ASKS_SECONDARY, or_unavailable
from common.telemetry.metrics import SECONDARY_READS
from common.telemetry.mongo_lines import UNAVAILABLE, UNAVAILABLE_CODE

T = TypeVar("T")

PATIENCE_SECONDS: Final = 0.3
"""How long only the primary is waited for. Listings take some milliseconds."""

_TRIES: Final = 3
"""How often a secondary is asked: the driver may choose one that stands still as well."""

_AT_ONCE: Final = 16
_LEAST_STALENESS: Final = 90
"""MongoDB takes no lower `maxStalenessSeconds`; the moment of the answer is looked at beside it."""


class Source(Protocol):
    """Where collections are read."""

    def __getitem__(self, name: str, /) -> Any:
        """The collection of this name."""


@contextmanager
def waited_for(mongo: Mongo, seconds: float) -> Iterator[None]:
    """For operations that a caller waits for: together they have `seconds`, also within MongoDB.

    Raises `Unavailable` as `or_unavailable` does, and at once while no primary has been known for as long as an
    operation would wait for one: the callers before have waited in vain.
    """
    with or_unavailable():
        if mongo.primary.lost_for() >= SELECTION_SECONDS:
            raise ServerSelectionTimeoutError("no primary is known")
        with pymongo.timeout(seconds):
            yield


class WaitedReads:
    """Reads that take at most `seconds`, and are at most `stale` old where a secondary answers; zero: none is asked.

    The secondary is asked as well when the primary is not known, or answers neither the read nor a ping in time; then
    the first answer counts. A primary that is slow and answers is waited for: its load would double otherwise.
    `now` is the time of day.
    """

    def __init__(
        self,
        mongo: Mongo,
        *,
        stale: timedelta,
        seconds: float = 10.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._mongo = mongo
        self._stale = stale
        self._seconds = seconds
        self._now = now
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._ping: asyncio.Task[bool] | None = None

    async def read(self, ask: Callable[[Source], Awaitable[T]]) -> tuple[T, datetime | None]:
        """What `ask` finds, and as of when a secondary knew it; None: it is the primary's answer.

        Raises `Unavailable` when neither answers in time, and what `ask` raises. That something is not there
        (`NotFound`) is believed of the primary only.
        """
        first = asyncio.create_task(self._of_primary(ask))
        tasks = [first]
        try:
            # Who waits for a turn to ask a secondary has no more time either. The driver's own limit comes first.
            async with asyncio.timeout(self._seconds + PATIENCE_SECONDS):
                if self._stale and not await self._answered(first):
                    return await first_answer(tasks, lambda: self._of_secondary(ask))
                return await first
        except TimeoutError:
            raise Unavailable(UNAVAILABLE, code=UNAVAILABLE_CODE) from None
        finally:
            for task in tasks:
                _give_up(task)

    async def _answered(self, first: asyncio.Future[Any]) -> bool:
        """Whether the primary's answer is there, or worth waiting for."""
        if not self._mongo.primary.lost_for():
            await asyncio.wait([first], timeout=PATIENCE_SECONDS)
        if not first.done():
            return not self._mongo.primary.lost_for() and await self._pinged()
        return first.cancelled() or not isinstance(first.exception(), Unavailable)

    async def _pinged(self) -> bool:
        """Whether the primary answers at all. All who wait ask once."""
        if self._ping is None or self._ping.done():
            self._ping = asyncio.ensure_future(self._mongo.answers(PATIENCE_SECONDS))
        return await asyncio.shield(self._ping)

    async def _of_primary(self, ask: Callable[[Source], Awaitable[T]]) -> tuple[T, datetime | None]:
        with waited_for(self._mongo, self._seconds):
            return await ask(self._mongo.database), None

    async def _of_secondary(self, ask: Callable[[Source], Awaitable[T]]) -> tuple[T, datetime | None]:
        async with self._turns:
            try:
                found, as_of = await self._copied(ask)
            except NotFound:
                raise _unavailable("failed") from None
            except Unavailable:
                SECONDARY_READS.labels("failed").inc()
                raise
        if as_of is not None and self._now() - as_of > self._stale:
            raise _unavailable("too_old")
        SECONDARY_READS.labels("shown").inc()
        return found, as_of

    async def _copied(self, ask: Callable[[Source], Awaitable[T]]) -> tuple[T, datetime | None]:
        ASKS_SECONDARY.set(True)  # of this task alone
        with or_unavailable(), pymongo.timeout(self._seconds):
            most = max(_LEAST_STALENESS, int(self._stale.total_seconds()))
            secondary = self._mongo.database.with_options(read_preference=Secondary(max_staleness=most))
            async with self._mongo.client.start_session(snapshot=True) as session:
                return await ask(Snapshot(secondary, session)), _moment_of(session)


class Snapshot:
    """The collections within a snapshot session: all as of one moment. There are only methods that read."""

    def __init__(self, database: Database, session: AsyncClientSession) -> None:
        self._database = database
        self._session = session

    def __getitem__(self, name: str) -> "_Copied":
        return _Copied(self._database[name], self._session)


class _Copied:
    """A collection for reading within a session."""

    def __init__(self, collection: Any, session: AsyncClientSession) -> None:
        self._collection = collection
        self._session = session

    def find(self, *arguments: Any) -> Any:
        return self._collection.find(*arguments, session=self._session)

    async def find_one(self, *arguments: Any) -> Any:
        return await self._collection.find_one(*arguments, session=self._session)

    async def distinct(self, *arguments: Any) -> Any:
        return await self._collection.distinct(*arguments, session=self._session)

    async def aggregate(self, stages: Any, **options: Any) -> Any:
        return await self._collection.aggregate(stages, session=self._session, **options)


def _unavailable(outcome: str) -> Unavailable:
    SECONDARY_READS.labels(outcome).inc()
    return Unavailable(UNAVAILABLE, code=UNAVAILABLE_CODE)


def _moment_of(session: AsyncClientSession) -> datetime | None:
    """The moment that a snapshot session reads; None before its first read."""
    moment = session._snapshot_time  # noqa: SLF001  # the driver offers it nowhere
    return None if moment is None else datetime.fromtimestamp(moment.time, UTC)


async def first_answer(tasks: list[asyncio.Task[T]], another: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The first result that is not `Unavailable`; when there is none, raises that of the first task.

    `another` is asked, too, and again while nothing answers: it may have met a member that stands still.
    """
    waiting = {task for task in tasks if not task.done()}
    left = _TRIES
    while waiting or left:
        if left:
            left -= 1
            tasks.append(asyncio.create_task(another()))
            waiting.add(tasks[-1])
        patience = PATIENCE_SECONDS if left else None
        done, waiting = await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not isinstance(task.exception(), Unavailable):
                return task.result()
    return tasks[0].result()


def _give_up(task: asyncio.Future[Any]) -> None:
    """End it without waiting: closing a connection to a member that stands still may take its time."""
    if not task.done():
        task.cancel()
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
