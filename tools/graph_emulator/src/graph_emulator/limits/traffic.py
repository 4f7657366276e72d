"""How many messages a business number carries in a second: without clock and IO."""

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

SECOND_MS = 1_000


@dataclass(frozen=True, slots=True)
class Second:
    """The messages of one second, which ended at `ended_ms` (monotonic milliseconds)."""

    inbound: int = 0
    outbound: int = 0
    ended_ms: float = 0.0

    @property
    def messages(self) -> int:
        """Both directions together, as Meta counts."""
        return self.inbound + self.outbound

    def view(self) -> Json:
        """The second as the control API shows it."""
        return {
            "messages": self.messages,
            "inbound": self.inbound,
            "outbound": self.outbound,
            "endedMonotonicMs": self.ended_ms,
        }


class Traffic:
    """The messages of one business number: those of the last second, the busiest second so far, and their number.

    A second is any span of 1,000 ms, so of two messages exactly that far apart it holds one. The busiest of all spans
    ends at a message, so it is enough to look when one is counted. Times are monotonic milliseconds, never falling.
    """

    def __init__(self) -> None:
        self.busiest = Second()
        self.inbound = 0
        self.outbound = 0
        self.refused: Counter[str] = Counter()
        """Name of a limit → calls that it refused."""
        self._inbound: deque[float] = deque()
        self._outbound: deque[float] = deque()

    def last_second(self, now_ms: float) -> int:
        """Messages in the second that ends at `now_ms`."""
        for times in (self._inbound, self._outbound):
            while times and times[0] <= now_ms - SECOND_MS:
                times.popleft()
        return len(self._inbound) + len(self._outbound)

    def count(self, now_ms: float, *, inbound: bool) -> None:
        """Count one message."""
        if inbound:
            self.inbound += 1
            self._inbound.append(now_ms)
        else:
            self.outbound += 1
            self._outbound.append(now_ms)
        if self.last_second(now_ms) > self.busiest.messages:
            self.busiest = Second(len(self._inbound), len(self._outbound), now_ms)
