"""A limit on dead letters: a bad deploy must stop, and not drain a topic into the dead-letter queue.

A consumer tells it of every record that it has finished. When too many of them, and too large a share, became dead
letters within a minute, the consumer halts before it writes the next one: the records stay where they are, readiness
says no, and a mended release goes on from there. (Sentry's arroyo has such limits, with the same reason.)
"""

from collections import deque
from typing import Annotated, Final

from pydantic import Field
from pydantic_settings import BaseSettings

from common.kafka.partitions import Halted

_WINDOW_SECONDS: Final = 60.0


class DeadLetterSettings(BaseSettings):
    """The limit, from `DLQ_*` environment variables."""

    dlq_limit: Annotated[
        int,
        Field(ge=0, description="dead letters in a minute that halt a consumer when most records are; 0: never"),
    ] = 500
    dlq_limit_share: Annotated[
        float, Field(ge=0, le=1, description="share of all records that the dead letters must exceed for that")
    ] = 0.5


class DeadLetterLimit:
    """Counts for one process, in buckets of a second. Synchronous; times are seconds of one clock."""

    def __init__(self, settings: DeadLetterSettings) -> None:
        self._limit = settings.dlq_limit
        self._share = settings.dlq_limit_share
        self._buckets: deque[list[float]] = deque()  # [second, records, letters]
        self._halted = False

    @property
    def halted(self) -> bool:
        """Whether the limit was passed; it stays so until the process is started again."""
        return self._halted

    def note(self, *, letters: int, now: float, records: int = 1) -> None:
        """So many records are about to be finished, of which `letters` as dead letters. Raises `Halted`."""
        if not self._limit:
            return
        if not self._halted:
            self._count(records, letters, now)
        if self._halted and letters:
            raise Halted(
                f"more than {self._limit} dead letters within a minute, over {self._share:.0%} of all records:"
                " look at them with `wa dlq list`, mend the cause and start again (DLQ_LIMIT raises the limit)"
            )

    def _count(self, records: int, letters: int, now: float) -> None:
        second = float(int(now))
        if not self._buckets or self._buckets[-1][0] < second:
            self._buckets.append([second, 0, 0])
        while self._buckets[0][0] <= second - _WINDOW_SECONDS:
            self._buckets.popleft()
        self._buckets[-1][1] += records
        self._buckets[-1][2] += letters
        dead = sum(bucket[2] for bucket in self._buckets)
        self._halted = dead > self._limit and dead > self._share * sum(bucket[1] for bucket in self._buckets)
