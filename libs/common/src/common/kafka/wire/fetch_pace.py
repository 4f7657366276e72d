"""Whether the broker answers a fetch with the first record, or gathers more of them. Pure; no Kafka, no clock.

A fetch costs the same for one record as for hundreds, on both sides. So gathering pays while records come one after
another, and only then: a record that comes alone would wait and save nothing.
"""

from dataclasses import dataclass
from typing import Final

IDLE_SECONDS: Final = 0.25
"""How long the broker holds a fetch while there is nothing. A request behind it on the same connection waits as long,
because a broker answers the requests of a connection one after another."""

_IN_A_ROW: Final = 3
_SOON: Final = 2.0
"""A fetch that gathers ends after the gathering time. So the next records count as soon up to twice that time."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The broker answers when it has `min_bytes`, or after `seconds`."""

    seconds: float
    min_bytes: int


class FetchPace:
    """The terms of one consumer's next fetch; times are seconds of one clock.

    **Invariants:**

    - A fetch gathers only when the last three that brought records came soon one after the other.
    - While a fetch gathers, it ends after the gathering time at the latest.
    - A fetch that cannot ask for all partitions ends as soon, because those that it leaves out wait for its end.
    """

    def __init__(self, gather: Terms) -> None:
        self._gather = gather
        self._came_at = float("-inf")
        self._in_a_row = 0

    def came(self, now: float) -> None:
        """A fetch has brought records."""
        self._in_a_row = self._in_a_row + 1 if self._is_soon(now) else 1
        self._came_at = now

    def next(self, now: float, *, whole: bool) -> Terms:
        """The terms of a fetch that is sent now; `whole`: it asks for every partition that the consumer has."""
        if self._in_a_row >= _IN_A_ROW and self._is_soon(now):
            return self._gather
        return Terms(IDLE_SECONDS if whole else self._gather.seconds, 1)

    def _is_soon(self, now: float) -> bool:
        return now - self._came_at <= _SOON * self._gather.seconds
