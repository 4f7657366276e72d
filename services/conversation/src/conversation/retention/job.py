"""Removes old documents every few hours, by one process at a time."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from common.errors import Unavailable
from common.mongo.indexes import Indexes
from common.mongo.turns import Turn
from common.tasks import cancel
from common.telemetry import metrics
from conversation.chatbot_directory import ChatbotDirectory
from conversation.retention.removing import Removing
from conversation.retention.rules import RUN_EVERY, Cutoffs, Kept, cutoffs
from conversation.store import ConversationStore

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 300.0
NAME: Final = "retention"


class RetentionJob:
    """Starts a run when the last one of any process is some hours old. A run that is cut off is begun again.

    It waits until the accounts are read, because each may say how long its messages are kept.
    """

    def __init__(
        self,
        store: ConversationStore,
        directory: ChatbotDirectory,
        indexes: Indexes,
        kept: Kept,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._store = store
        self._directory = directory
        self._indexes = indexes
        self._kept = kept
        self._now = now
        self._look_seconds = look_seconds
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; returns at once."""
        self._task = asyncio.create_task(self._run(), name=NAME)

    async def stop(self) -> None:
        """End, also in the middle of a run."""
        await cancel([self._task])

    async def _run(self) -> None:
        await self._indexes.wait()
        await self._directory.table.wait()
        while True:
            try:
                await self.turn()
            except Unavailable:
                log.info("the removal of old documents goes on later")
            await asyncio.sleep(self._look_seconds)

    async def turn(self) -> None:
        """Run, if it is time, and no other process does. Raises `Unavailable`."""
        begins = await self._store.removes_since()
        if self._now() < begins:
            log.info("what is older than it is kept will be removed", extra={"from": begins.isoformat()})
            return
        async with Turn(self._store.jobs, NAME, every=RUN_EVERY, now=self._now) as mine:
            if mine:
                await self._remove()

    async def _remove(self) -> None:
        counted: Counter[str] = Counter()
        log.info("old documents are being removed", extra={"kept": str(self._kept)})
        await Removing(self._store, self._cutoffs_of, partial(_count, counted)).run()
        metrics.RETENTION_RUNS.inc()
        log.info("old documents have been removed", extra=dict(counted))

    def _cutoffs_of(self, chatbot: str | None) -> Cutoffs:
        own = self._directory.retention(chatbot) if chatbot is not None else None
        return cutoffs(self._kept.of(own), self._now())


def _count(counted: Counter[str], collection: str, documents: int) -> None:
    counted[collection] += documents
    metrics.RETENTION_REMOVED.labels(collection).inc(documents)
