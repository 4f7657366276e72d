"""Reads the records of one session's partitions in the order that lanes need: retries before new sends."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from common.contracts import topics
from common.kafka.consume.partition_session import Records
from sender.retrying import until_available
from sender.worker.intake.intake import Intake
from sender.worker.parts import WorkerParts
from sender.worker.state import SessionState

_FETCH_RECORDS: Final = 500
_TOGETHER_SECONDS: Final = 0.01
_LONGEST_SECONDS: Final = 0.05

_BACKLOG_TIMEOUT_MS: Final = 100


def _pause_after(count: int) -> float:
    """How long records gather after a fetch of so many, in seconds: each fetch has a fixed cost.

    A record that came alone says that there is no load, and a full page that more are waiting.
    """
    return min(count * _TOGETHER_SECONDS, _LONGEST_SECONDS) if 1 < count < _FETCH_RECORDS else 0.0


class Reader:
    """Reads until the session stops. `begin` comes first: it reads the retries from before this session."""

    def __init__(self, state: SessionState, parts: WorkerParts, intake: Intake) -> None:
        self._state = state
        self._kafka = state.kafka
        self._loading = state.lanes.loading
        self._intake = intake
        self._commits = state.commits
        self._now: Callable[[], datetime] = parts.delivery.now
        self._rates = parts.rate_limits
        self._recent_sends = parts.recent_sends
        self._retries = [tp for tp in state.kafka.partitions if tp.topic != topics.SEND.name]

    async def begin(self) -> None:
        """Learn what was sent recently, and read the retries that wait already."""
        await self._learn_rates()
        await self._read_backlog()

    async def run(self, last_parked: int) -> None:
        """Read until the session stops. `last_parked` is the highest order of the sends that were parked before."""
        sends = next(tp for tp in self._kafka.partitions if tp.topic == topics.SEND.name)
        end = (await self._kafka.consumer.end_offsets([sends]))[sends]
        count = 0
        while not self._kafka.stopping.is_set():
            if self._loading.is_behind and await self._reached(sends) > min(last_parked, end - 1):
                self._loading.caught_up()
                self._state.changed.set()
            if count >= _FETCH_RECORDS:  # retries first: a flood of new messages must not make them late
                await self._intake.take(await self._fetch_retries(0))
            found = await self._kafka.fetch(max_records=_FETCH_RECORDS)
            await self._intake.take(found)
            await self._commits.until_room()
            count = sum(map(len, found.values()))
            if not await self._intake.until_room(count) and (pause := _pause_after(count)):
                await asyncio.sleep(pause)

    async def _reached(self, sends: Any) -> int:
        return self._intake.reached(await self._kafka.consumer.position(sends))

    async def _learn_rates(self) -> None:
        recent = await until_available(self._recent_sends.read, self._kafka.tried)
        owned = [sent for sent in recent if self._state.owns(sent.chatbot_id)]
        self._rates.learn(owned, self._now().timestamp())

    async def _read_backlog(self) -> None:
        consumer = self._kafka.consumer
        ends = await consumer.end_offsets(self._retries)
        while not self._kafka.stopping.is_set():
            if all([await consumer.position(tp) >= end for tp, end in ends.items()]):
                return
            await self._intake.take(await self._fetch_retries(_BACKLOG_TIMEOUT_MS))

    async def _fetch_retries(self, timeout_ms: int) -> Records:
        return await self._kafka.fetch(self._retries, max_records=_FETCH_RECORDS, timeout_ms=timeout_ms)
