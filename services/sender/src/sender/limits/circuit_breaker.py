"""Whether Meta is away: an outage spends no attempts. Synchronous, no IO; times are Unix seconds.

It is an outage when one of these comes in a row:

- three calls that end without an answer of Meta's (no connection, no answer, a gateway's 5xx);
- three answers that say so ("service unavailable"), for at least two messages;
- answers that may be the message's own fault (131000 "something went wrong", 1) for three messages that are not all of
  one template or kind. So one message alone, or one template alone, spends its attempts and ends.

Any other answer ends the row, because then Meta is there. (The pattern is M. Nygard's circuit breaker, "Release It!".)
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from common.meta.call_ends import Answered, CallEnd
from common.meta.errors import classify

_IN_A_ROW: Final = 3
_DOWN_CODES: Final = frozenset({2, 131016, 133004})
_PERHAPS_CODES: Final = frozenset({1, 131000})


class Signal(StrEnum):
    """What the end of a call says about Meta."""

    UP = "up"
    AWAY = "away"
    DOWN = "down"
    PERHAPS = "perhaps"


def signal_of(end: CallEnd) -> Signal:
    """What this end says about Meta. Pure."""
    if not isinstance(end, Answered):
        return Signal.AWAY
    if 200 <= end.status < 300:
        return Signal.UP
    code = classify(end.status, end.body).code
    if code is None:
        return Signal.AWAY if end.status >= 500 else Signal.UP
    if code in _DOWN_CODES:
        return Signal.DOWN
    return Signal.PERHAPS if code in _PERHAPS_CODES else Signal.UP


@dataclass(slots=True)
class FailureStreak:
    """Failures in a row, of one number or of all."""

    away: int = 0
    down: int = 0
    sends: dict[str, str | None] = field(default_factory=dict)

    def add(self, signal: Signal, send: str, subject: str | None = None) -> None:
        """Count one more call of `send`; `subject` is its template or kind, None for a text."""
        if signal is Signal.UP:
            self.away = self.down = 0
            self.sends.clear()
            return
        self.away += signal is Signal.AWAY
        self.down += signal is not Signal.PERHAPS
        if len(self.sends) < _IN_A_ROW or not self._are_mixed:
            self.sends.pop(send, None)
            if len(self.sends) >= _IN_A_ROW:
                del self.sends[next(iter(self.sends))]
            self.sends[send] = subject

    @property
    def is_outage(self) -> bool:
        """Whether they are enough for an outage."""
        several = len(self.sends) > 1
        perhaps = len(self.sends) >= _IN_A_ROW and self._are_mixed
        return self.away >= _IN_A_ROW or (self.down >= _IN_A_ROW and several) or perhaps

    @property
    def _are_mixed(self) -> bool:
        """Whether the failed sends are of more than one template or kind."""
        subjects = set(self.sends.values())
        return None in subjects or len(subjects) > 1


class CircuitBreaker:
    """The breaker of one process for Meta as a whole, and the failures in a row of each number.

    While it is open only a probe goes: after `base` seconds, doubled each time up to `cap`. `on_close` is called when
    Meta answers again.
    """

    def __init__(self, *, base: float = 0.5, cap: float = 10.0, on_close: Callable[[], None] = lambda: None) -> None:
        self._base = base
        self._cap = cap
        self._on_close = on_close
        self._streak = FailureStreak()
        self._streaks: dict[str, FailureStreak] = {}
        self._until: float | None = None
        self._wait = base
        self._probe: str | None = None
        self._closed_at = float("-inf")
        self._opened_at = float("inf")

    def away_for(self, now: float) -> float:
        """For how many seconds Meta has been taken to be away; 0 when it is not."""
        return max(0.0, now - self._opened_at)

    @property
    def is_open(self) -> bool:
        """Whether Meta is taken to be away."""
        return self._until is not None

    def was_open_since(self, moment: float) -> bool:
        """Whether Meta was taken to be away at any time from then on."""
        return self.is_open or moment < self._closed_at

    def wait(self, now: float) -> float:
        """Seconds until a call may be made; 0 when one may be now, infinite while a probe is under way."""
        if self._until is None:
            return 0.0
        return float("inf") if self._probe is not None else max(0.0, self._until - now)

    def began(self, send: str) -> None:
        """A step begins. While the breaker is open, it is the probe."""
        if self._until is not None:
            self._probe = send

    def ended(self, send: str, now: float) -> None:
        """The step of `send` has ended, with a call or without. Another send may be the probe."""
        if self._probe == send:
            self._probe = None
            if self._until is not None:
                self._until = max(self._until, now)

    def note(self, send: str, tenant: str, signal: Signal, now: float, subject: str | None = None) -> bool:
        """Note how a call of a tenant ended. Returns whether its number, or Meta as a whole, is away.

        `subject` is the template or kind of the message.
        """
        streak = self._streaks.setdefault(tenant, FailureStreak())
        for each in (self._streak, streak):
            each.add(signal, send, subject)
        if signal is Signal.UP:
            del self._streaks[tenant]
            self._close(now)
        elif self._streak.is_outage:
            self._keep_open(send, now)
        return self.is_open or streak.is_outage

    def _keep_open(self, send: str, now: float) -> None:
        if self._until is None:
            self._wait, self._opened_at = self._base, now
        elif send == self._probe:
            self._wait = min(self._cap, self._wait * 2)
        else:
            return  # this call was under way when the breaker opened
        self._until = now + self._wait

    def _close(self, now: float) -> None:
        if self._until is not None:
            self._until, self._probe, self._closed_at, self._opened_at = None, None, now, float("inf")
            self._on_close()
