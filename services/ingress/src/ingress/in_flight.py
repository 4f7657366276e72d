"""How many bytes may wait for Kafka, and how many large bodies are processed at a time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from common.errors import Unavailable
from common.kafka.records import Outgoing

MAX_BYTES: Final = 24 * 1024 * 1024
"""Bytes of records that Kafka has not confirmed: at most this for small bodies, and the same again for large ones.

Each record is in memory three times: as it was made, in a batch, and on the connection.
"""
_WAIT_SECONDS: Final = 0.9  # a large body for its turn: with Kafka's 4 s it is answered within 5


class InFlight:
    """Counts the `bytes` of the records that wait for Kafka.

    It raises `Unavailable` if there is no room: Meta delivers again, and nothing is lost. One large body is processed
    at a time, so at most the records of one body exceed the limit.
    """

    def __init__(self, limit: int = MAX_BYTES, wait_seconds: float = _WAIT_SECONDS) -> None:
        self._limit = limit
        self._wait_seconds = wait_seconds
        self.bytes = 0
        self._large = asyncio.Lock()

    def check(self) -> None:
        """Raises `Unavailable` when there is no room for more."""
        if self.bytes >= self._limit:
            raise Unavailable("too many records wait for Kafka; try again", code="too_busy")

    def add(self, records: Sequence[Outgoing]) -> int:
        """Add the size of the records to `bytes`. Returns it, to be subtracted when they are confirmed or given up.

        Raises `Unavailable` when there is no room.
        """
        self.check()
        size = len(records[0].value) if len(records) == 1 else sum([len(record.value) for record in records])
        self.bytes += size
        return size

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """The turn of one large body. Raises `Unavailable` when it does not come in time, or there is no room."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._large.acquire()
        except TimeoutError:
            raise Unavailable("too many large bodies wait; try again", code="too_busy") from None
        try:
            self.check()
            yield
        finally:
            self._large.release()
