"""Turns of a background job: one process at a time does it, and not more often than it has to be done.

A turn is a document with the time until which it is taken. Its holder renews it. So a process that dies gives it up
after that time. Two holders at the same time are possible where clocks differ or a process was stopped: a job has to
be harmless then.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final

from common.contracts.ids import random_id
from common.errors import Unavailable
from common.mongo.compare_and_set import or_unavailable
from common.tasks import cancel

log = logging.getLogger(__name__)

TAKEN: Final = timedelta(minutes=5)
_RENEWALS: Final = 5
"""In the time for which a turn is taken, so that one that fails or is late loses nothing."""
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def last_done(jobs: Any, name: str) -> datetime | None:
    """When a process last ended the job; None: not yet. Raises `Unavailable`."""
    with or_unavailable():
        found = await jobs.find_one({"_id": name}, {"doneAt": 1})
    return found["doneAt"] if found and found["doneAt"] > _NEVER else None


class Turn:
    """`async with Turn(...) as mine`: whether it is this process's turn. Raises `Unavailable`.

    Leaving it without an error says that the job is done; the next turn is `every` later. After an error it is at once.
    When its process dies, the next one may begin after `taken`.
    """

    def __init__(
        self,
        jobs: Any,
        name: str,
        *,
        every: timedelta,
        now: Callable[[], datetime],
        taken: timedelta = TAKEN,
        owner: str | None = None,
    ) -> None:
        self._jobs = jobs
        self._name = name
        self._every = every
        self._now = now
        self._taken = taken
        self._owner = owner or random_id()
        self._mine = False
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> bool:
        now = self._now()
        free = {"_id": self._name, "until": {"$lte": now}, "doneAt": {"$lte": now - self._every}}
        taken = {"owner": self._owner, "until": now + self._taken}
        with or_unavailable():
            self._mine = (await self._jobs.update_one(free, {"$set": taken})).matched_count == 1
            if not self._mine:
                first = {"$setOnInsert": {**taken, "doneAt": _NEVER}}
                self._mine = (
                    await self._jobs.update_one({"_id": self._name}, first, upsert=True)
                ).upserted_id is not None
        if self._mine:
            self._renewing = asyncio.create_task(self._renew(), name=f"turn of {self._name}")
        return self._mine

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancel([self._renewing])
        if not self._mine:
            return
        now = self._now()
        done = {"doneAt": now} if error is None else {}
        with or_unavailable():
            await self._jobs.update_one({"_id": self._name, "owner": self._owner}, {"$set": {"until": now, **done}})

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._taken.total_seconds() / _RENEWALS)
            until = {"$set": {"until": self._now() + self._taken}}
            with contextlib.suppress(Unavailable), or_unavailable():
                await self._jobs.update_one({"_id": self._name, "owner": self._owner}, until)
