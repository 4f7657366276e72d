"""Patch: a consumer fetches at once when it is idle, gathers under load, and fetches ahead only where there is plenty.

aiokafka 0.14 sends every fetch on the same terms. With those of full load a lone record waits for the whole gathering
time, and an idle process asks as often as a busy one. `fetch_pace` has the rule; this module applies it to each fetch.
And aiokafka always fetches ahead:

- What it has fetched ahead is older than what has come since, which then waits for one more round. Here a fetch is sent
  when its reader asks for records. It is sent ahead when the last fetches brought plenty, or the reader is busy for
  long.
- Data that its reader has not taken yet holds up the fetches of all other partitions of that broker, by 100 ms in
  aiokafka. Here it is the gathering time.

aiokafka also waits 20 ms when a transaction begins while the broker still writes the markers of the one before. That
takes the broker some milliseconds, so it is asked again after 5.
"""

import asyncio
from collections.abc import Collection
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer import consumer as aiokafka_consumer
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.producer import sender as aiokafka_sender

from common.kafka.wire.fetch_pace import FetchPace, Terms

_MARKERS_SECONDS = 0.005
_PLENTY_BYTES = 256 * 1024
_AHEAD_SECONDS = 0.2


class PacedFetcher(Fetcher):  # type: ignore[misc]  # aiokafka ships no type information
    """Fetches as `FetchPace` says: on the consumer's own terms (`fetch_min_bytes`, `fetch_max_wait_ms`) under load."""

    _prefetch_backoff: float

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)  # its task begins to run later
        gather = Terms(self._fetch_max_wait_ms / 1000, self._fetch_min_bytes)
        self._pace = FetchPace(gather)
        self._prefetch_backoff = min(self._prefetch_backoff, gather.seconds)
        self._has_plenty = False
        self._withheld_at: float | None = None
        self._wanted: dict[asyncio.Future[None], Collection[TopicPartition]] = {}

    async def fetched_records(
        self, partitions: Collection[TopicPartition], timeout: float = 0, max_records: int | None = None
    ) -> Any:
        """The next records of these partitions, as the driver gives them; its reader is woken for these alone."""
        until = self._loop.time() + timeout
        while True:
            found = await super().fetched_records(partitions, 0, max_records)
            if found or self._closed or self._loop.time() >= until:
                return found
            waiter = self._create_fetch_waiter()
            self._wanted[waiter] = partitions
            timer = self._loop.call_at(until, self._end, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
                del self._wanted[waiter]

    def _notify(self, future: Any) -> None:
        wanted = self._wanted.get(future)
        if not wanted or self._closed or not self._records.keys().isdisjoint(wanted):
            self._end(future)

    @staticmethod
    def _end(future: Any) -> None:
        if future is not None and not future.done():
            future.set_result(None)

    def _get_actions_per_node(self, assignment: Any) -> Any:
        actions = super()._get_actions_per_node(assignment)
        requests, resets, timeout, invalid, resumes = actions
        if not requests:
            return actions
        now = self._loop.time()
        if self._is_early(now):
            return [], resets, min(timeout, _AHEAD_SECONDS), invalid, resumes
        self._withheld_at = None
        terms = self._pace.next(now, whole=not (self._records or resets or resumes))
        for _, request in requests:
            request._max_wait_ms = round(terms.seconds * 1000)  # noqa: SLF001  # made above, and not sent yet
            request._min_bytes = terms.min_bytes  # noqa: SLF001  # as above
        return actions

    def _is_early(self, now: float) -> bool:
        """Whether a fetch can wait, because no reader waits for it."""
        if self._has_plenty or any(not waiter.done() for waiter in self._fetch_waiters):
            return False
        if self._withheld_at is None:
            self._withheld_at = now
        return now < self._withheld_at + _AHEAD_SECONDS

    def _create_fetch_waiter(self) -> Any:
        waiter = super()._create_fetch_waiter()
        if self._withheld_at is not None:
            self._notify(self._wait_consume_future)
        return waiter

    async def _proc_fetch_request(self, assignment: Any, node_id: Any, request: Any) -> bool:
        brought: bool = await super()._proc_fetch_request(assignment, node_id, request)
        if brought:
            self._pace.came(self._loop.time())
            self._has_plenty = sum(map(_size_of, self._records.values())) >= _PLENTY_BYTES
        return brought


def _size_of(fetched: Any) -> int:
    """The bytes of a partition that have been fetched; 0 of an error."""
    records = getattr(fetched, "_partition_records", None)
    return 0 if records is None else int(records._records.size_in_bytes())  # noqa: SLF001  # aiokafka has no other way


def patch_waits() -> None:
    """Patch every consumer that is started from now on, and every producer."""
    aiokafka_consumer.Fetcher = PacedFetcher
    aiokafka_sender.BACKOFF_OVERRIDE = _MARKERS_SECONDS
