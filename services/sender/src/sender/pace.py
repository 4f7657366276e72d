"""The pace that Meta allows: messages per second of a number, and messages to one recipient. Synchronous, no IO.

Both answer the same question, when the next message may go, and are told of each that goes. Times are seconds of one
clock that the caller passes in. Limits are Meta's ("Throughput" and "Rate limits" of the Cloud API): 80 messages a
second for a number, inbound and outbound together, 1,000 after an upgrade, 20 in coexistence with the app; and for one
recipient one message in six seconds, or up to 45 at once that are borrowed from the time after.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

DEFAULT_RATE: Final = 80
PAIR_SECONDS: Final = 6.0
PAIR_BURST: Final = 45
_SLOWER: Final = 0.5
_FASTER: Final = 0.1
_RECOVERY_SECONDS: Final = 10.0
_LEAST_RATE: Final = 1.0


@dataclass(slots=True)
class NumberPace:
    """At most `rate` messages in any second, not just on average: the last second's messages are remembered.

    When Meta says that it was too fast (130429, 80007), the rate falls to half; every ten seconds without that it
    rises by a tenth of `limit`, until it is there again.
    """

    limit: float = DEFAULT_RATE
    rate: float = 0.0
    _went: deque[float] = field(default_factory=deque)
    _changed_at: float = 0.0

    def __post_init__(self) -> None:
        """Begin at the limit."""
        self.rate = self.rate or self.limit

    def ready_at(self, now: float) -> float:
        """When the next message may go: now, or later."""
        self._recover(now)
        while self._went and self._went[0] <= now - 1.0:
            self._went.popleft()
        allowed = max(1, int(self.rate))
        if len(self._went) < allowed:
            return now
        return self._went[len(self._went) - allowed] + 1.0

    def went(self, now: float) -> None:
        """A message went out, or came in: Meta counts both."""
        self._went.append(now)

    def too_fast(self, now: float) -> None:
        """Meta has refused one for the pace. Several refusals of one second are one."""
        if now - self._changed_at >= 1.0 or self.rate == self.limit:
            self.rate = max(_LEAST_RATE, self.rate * _SLOWER)
            self._changed_at = now

    def set_limit(self, limit: float, now: float) -> None:
        """Meta has told another limit for this number."""
        self.limit, self._changed_at = limit, now
        self.rate = min(self.rate, limit) if limit < self.rate else limit

    def _recover(self, now: float) -> None:
        steps = int((now - self._changed_at) / _RECOVERY_SECONDS)
        if steps > 0 and self.rate < self.limit:
            self.rate = min(self.limit, self.rate + steps * _FASTER * self.limit)
            self._changed_at += steps * _RECOVERY_SECONDS


@dataclass(slots=True)
class PairPace:
    """One message in six seconds to one recipient; up to 45 within six seconds, paid for by silence after them."""

    _since: float = float("-inf")
    _count: int = 0

    def ready_at(self, now: float) -> float:
        """When the next message may go: now, or later."""
        paid = self._since + self._count * PAIR_SECONDS
        if now >= paid or (now < self._since + PAIR_SECONDS and self._count < PAIR_BURST):
            return now
        return paid

    def went(self, now: float) -> None:
        """A message went out."""
        if now >= self._since + self._count * PAIR_SECONDS:
            self._since, self._count = now, 0
        self._count += 1

    def idle(self, now: float) -> bool:
        """Whether it says nothing any more that a new one would not say."""
        return now >= self._since + self._count * PAIR_SECONDS
