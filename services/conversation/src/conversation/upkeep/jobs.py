"""The two jobs of upkeep, each done by one process at a time."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from common.errors import Unavailable
from common.mongo import Mongo, MongoError
from common.mongo.indexes import Indexes
from common.mongo.turns import TAKEN, Turn, last_done
from common.tasks import cancel
from common.telemetry import metrics
from conversation.chatbot_directory import ChatbotDirectory
from conversation.store import ConversationStore
from conversation.upkeep.moving import Moving
from conversation.upkeep.removing import Removing
from conversation.upkeep.rules import RUN_EVERY, Cutoffs, Kept, cutoffs

log = logging.getLogger(__name__)

RETENTION: Final = "retention"
MERGES: Final = "merges"

_LOOK_SECONDS: Final = 300.0
_MOVE_SECONDS: Final = 5.0
_MOVE_TAKEN: Final = timedelta(seconds=30)
"""Messages that have yet to follow are not left for long. Two movers at once are harmless: each ends the transactions
of the one before."""

Clock = Callable[[], datetime]


class Job:
    """Does `work` in turns of all processes: when the last turn is `every` old, or has failed.

    `may_begin` is waited for once. `needed` is asked before a turn is taken. A turn that fails begins again at the next
    look, and that of a process that dies after `taken`. `age` is a gauge of the seconds since the last turn of any
    process.
    """

    def __init__(
        self,
        name: str,
        store: ConversationStore,
        work: Callable[[], Awaitable[None]],
        may_begin: Callable[[], Awaitable[None]],
        *,
        every: timedelta,
        look_seconds: float,
        taken: timedelta = TAKEN,
        needed: Callable[[], Awaitable[bool]] | None = None,
        age: metrics.Sampled | None = None,
        now: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._name = name
        self._store = store
        self._work = work
        self._may_begin = may_begin
        self._every = every
        self._taken = taken
        self._needed = needed
        self._look_seconds = look_seconds
        self._now = now
        self._age = age
        self._hide: Callable[[], None] | None = None
        self._done = now()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; returns at once."""
        if self._age is not None:
            self._hide = self._age.add(lambda: [((), (self._now() - self._done).total_seconds())])
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """End, also in the middle of the work."""
        if self._hide is not None:
            self._hide()
            self._hide = None
        await cancel([self._task])

    async def turn(self) -> None:
        """Work, if it is time and no other process does. Raises `Unavailable`."""
        if self._needed is not None and not await self._needed():
            return
        turn = Turn(self._store.jobs, self._name, every=self._every, taken=self._taken, now=self._now)
        async with turn as mine:
            if mine:
                await self._work()
        if self._age is not None:
            self._done = await last_done(self._store.jobs, self._name) or self._done

    async def _run(self) -> None:
        await self._may_begin()
        while True:
            try:
                await self.turn()
            except (Unavailable, MongoError, TimeoutError):
                log.info("a job of upkeep goes on later", extra={"job": self._name})
            await asyncio.sleep(self._look_seconds)


def retention_job(
    store: ConversationStore,
    directory: ChatbotDirectory,
    indexes: Indexes,
    kept: Kept,
    *,
    now: Clock = lambda: datetime.now(UTC),
    look_seconds: float = _LOOK_SECONDS,
) -> Job:
    """Removes what is older than it is kept. It waits for the accounts, because each may say how long that is."""

    def cutoffs_of(chatbot: str | None) -> Cutoffs:
        own = directory.retention(chatbot) if chatbot is not None else None
        return cutoffs(kept.of(own), now())

    async def may_begin() -> None:
        await indexes.wait()
        await directory.table.wait()

    async def work() -> None:
        begins = await store.removes_since()
        if now() < begins:
            log.info("what is older than it is kept will be removed", extra={"from": begins.isoformat()})
            return
        counted: Counter[str] = Counter()
        await Removing(store, cutoffs_of, partial(_count, counted)).run()
        log.info("what is older than it is kept has been removed", extra={"documents": dict(counted)})

    return Job(
        RETENTION,
        store,
        work,
        may_begin,
        every=RUN_EVERY,
        look_seconds=look_seconds,
        age=metrics.RETENTION_AGE,
        now=now,
    )


def merges_job(mongo: Mongo, store: ConversationStore, indexes: Indexes, *, look_seconds: float = _MOVE_SECONDS) -> Job:
    """Moves the messages of large conversations that were merged."""
    moving = Moving(mongo, store)
    return Job(
        MERGES,
        store,
        moving.run,
        indexes.wait,
        every=timedelta(),
        taken=_MOVE_TAKEN,
        look_seconds=look_seconds,
        needed=moving.needed,
    )


def _count(counted: Counter[str], collection: str, documents: int) -> None:
    counted[collection] += documents
    metrics.RETENTION_REMOVED.labels(collection).inc(documents)
