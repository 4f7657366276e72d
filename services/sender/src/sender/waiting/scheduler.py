"""Sends of one partition that wait for their `sendAt`: stored, and written to the topic again when they are due.

A scheduled send joins its conversation when it is due, as a new record on the topic. So it is in order with the
requests before and after that moment, whichever process owns the partition then.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from common.contracts.send_headers import RELEASED_FROM, SET_ASIDE
from common.kafka.records import Outgoing
from sender.cas_token import new_token
from sender.delivery import results
from sender.group_commit import GroupCommit
from sender.records.job import Job, UnreadableRecord
from sender.records.onward import released
from sender.retrying import until_available
from sender.waiting.scheduled_store import Scheduled, ScheduleStore
from sender.waiting.stored_record import record_of

_AT_ONCE: Final = 200
_HORIZON_SECONDS: Final = 5.0
_AGAIN_SECONDS: Final = 0.1

Release = Callable[[Outgoing, tuple[str, str]], None]


class ScheduleWriters:
    """The writes to the store, gathered over all sessions of the process."""

    def __init__(self, store: ScheduleStore) -> None:
        self.store = store
        self.puts: GroupCommit[Scheduled, None] = GroupCommit(store.put)
        self.removals: GroupCommit[tuple[str, str], None] = GroupCommit(store.remove)

    def of_partition(self, partition: int, release: Release) -> "Scheduler":
        """The scheduler of one session."""
        return Scheduler(self, partition, release)

    async def close(self) -> None:
        """Cancel the writes that still wait for MongoDB."""
        await self.puts.close()
        await self.removals.close()


class Scheduler:
    """`release(record, (id, token))` writes a record to Kafka; when it is committed, `removed` is called."""

    def __init__(self, scheduler: ScheduleWriters, partition: int, release: Release) -> None:
        self._scheduler = scheduler
        self._partition = partition
        self._release = release
        self._changed = asyncio.Event()
        self._released: set[str] = set()

    async def put(self, jobs: Sequence[Job]) -> None:
        """Store these sends."""
        await self._put([self._scheduled(job) for job in jobs])

    async def set_aside(self, job: Job, due: float, subject: str) -> None:
        """Store a send until `due` (Unix seconds), because Meta refuses its template or kind."""
        again = bool(job.replay or job.attempts or RELEASED_FROM in job.headers)
        record = replace(record_of(job, self._partition), headers={**job.headers, SET_ASIDE: "1"})
        apart = (job.chatbot_id, subject)
        await self._put([replace(self._scheduled(job), due=due, again=again, record=record, apart=apart)])

    async def hasten(self, chatbot: str, subject: str | None) -> None:
        """Release the sends that wait for a template or kind (None: any), because Meta may take it again."""
        await until_available(lambda: self._scheduler.store.hasten_apart(self._partition, chatbot, subject))
        self._changed.set()

    async def _put(self, sends: Sequence[Scheduled]) -> None:
        await asyncio.gather(*map(self._scheduler.puts.submit, sends))
        if any(send.due < time.time() + _HORIZON_SECONDS for send in sends):
            self._changed.set()

    async def removed(self, sends: Sequence[tuple[str, str]]) -> None:
        """Remove these released sends, whose records are on the topic."""
        await asyncio.gather(*map(self._scheduler.removals.submit, sends))
        self._released.difference_update(token for _, token in sends)

    async def run(self) -> None:
        """Release each send when it is due, until cancelled."""
        while True:
            horizon = time.time() + _HORIZON_SECONDS
            found = await until_available(lambda: self._scheduler.store.due_by(self._partition, horizon, _AT_ONCE))  # noqa: B023  # awaited here
            waiting = [send for send in found if send.token not in self._released]
            now = time.time()
            for send in [send for send in waiting if send.due <= now]:
                self._released.add(send.token)
                self._release(_record(send), (send.id, send.token))
            later = [send.due for send in waiting if send.due > now]
            # A full page may hide others that are due.
            wait = later[0] - now if later else _AGAIN_SECONDS if len(found) == _AT_ONCE else _HORIZON_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            self._changed.clear()

    def _scheduled(self, job: Job) -> Scheduled:
        return Scheduled(
            id=job.journal_id,
            token=new_token(),
            record=record_of(job, self._partition),
            due=job.send_at,
        )


def _record(send: Scheduled) -> Outgoing:
    """The record that replaces a scheduled send on the topic."""
    job = send.record.read()
    if isinstance(job, UnreadableRecord):
        return results.dead_record(job, datetime.now(UTC))
    return released(job)
