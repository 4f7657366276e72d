"""The pace that Meta allows: messages per second of a number, and messages to one recipient. Synchronous, no IO.

Both answer the same question, when the next message may go, and are told of each that goes. Times are seconds of one
clock that the caller passes in. Limits are Meta's ("Throughput" and "Rate limits" of the Cloud API): 80 messages a
second for a number, inbound and outbound together, 1,000 after an upgrade, 20 in coexistence with the app; and for one
recipient one message in six seconds, or up to 45 at once that are borrowed from the time after.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

DEFAULT_RATE: Final = 80
PAIR_SECONDS: Final = 6.0
PAIR_BURST: Final = 45
QUIET_SECONDS: Final = 60.0
"""Without a message to a recipient, after which a refusal of Meta's is forgotten."""
WINDOW_SECONDS: Final = 1.02
"""A little more than the second that Meta counts in."""

_SLOWER: Final = 0.5
_FASTER: Final = 0.1
_RECOVERY_SECONDS: Final = 10.0
_LEAST_RATE: Final = 1.0
_POLL_SECONDS: Final = 0.02
_LEAST_SECONDS: Final = 30.0
_CAREFUL: Final = 0.8
_MANY: Final = 10_000


@dataclass(slots=True)
class ShortestRecent:
    """The shortest of the times noted lately, in seconds."""

    seconds: float = 0.0
    _next: float = float("inf")
    _since: float = float("-inf")

    def note(self, seconds: float, now: float) -> None:
        """One took this long."""
        self._next = min(self._next, seconds)
        if now - self._since >= _LEAST_SECONDS:
            self.seconds, self._next, self._since = self._next, float("inf"), now
        self.seconds = min(self.seconds, seconds)


@dataclass(slots=True)
class NumberRate:
    """At most `rate` messages in any second, not just on average: the last second's messages are remembered.

    What is reserved counts until it `went`, or was given back. What went counts until a second after Meta may have
    counted it: that is somewhere between the call and its answer, but for the time that even the quickest call takes
    on its two ways. So a call that lingers takes the place of another, and the limit is kept however calls are delayed.

    When Meta says that it was too fast (130429, 80007), the rate falls to half; every ten seconds without that it rises
    by a tenth of `limit`, until it is there again.
    """

    limit: float = DEFAULT_RATE
    rate: float = 0.0
    _went: deque[float] = field(default_factory=deque)
    _reserved: int = 0
    _flying: int = 0
    _quickest: ShortestRecent = field(default_factory=ShortestRecent)
    _changed_at: float = 0.0

    def __post_init__(self) -> None:
        """Begin at the limit."""
        self.rate = self.rate or self.limit

    def ready_at(self, now: float) -> float:
        """When the next message may go: now, or later."""
        self._recover(now)
        while self._went and self._went[0] <= now - WINDOW_SECONDS:
            self._went.popleft()
        allowed = max(1, int(self.rate)) - self._reserved - self._flying
        if allowed <= 0:
            return now + _POLL_SECONDS
        if len(self._went) < allowed:
            return now
        return self._went[len(self._went) - allowed] + WINDOW_SECONDS

    def room(self, now: float) -> int:
        """How many may go at once."""
        lately = sum(at > now - WINDOW_SECONDS for at in self._went)
        return max(0, int(self.rate) - self._reserved - self._flying - lately)

    def reserve(self) -> None:
        """One is about to go."""
        self._reserved += 1

    def give_back(self) -> None:
        """One that was reserved does not go after all."""
        self._reserved -= 1

    def went(self) -> None:
        """One that was reserved goes out now."""
        self._reserved -= 1
        self._flying += 1

    def answered(self, began: float, now: float) -> None:
        """The call of one that went out then has ended, however it did."""
        self._flying -= 1
        self._quickest.note(now - began, now)
        latest = max(began, now - self._quickest.seconds * _CAREFUL)
        self._went.append(max(latest, self._went[-1]) if self._went else latest)

    def came(self, now: float, count: int = 1) -> None:
        """So many came in, or were sent by another owner: Meta counts them, too."""
        self._went.extend([now] * count)

    def too_fast(self, now: float) -> None:
        """Meta has refused one for the pace. Several refusals of one second are one."""
        if now - self._changed_at >= 1.0 or self.rate == self.limit:
            self.rate = max(_LEAST_RATE, self.rate * _SLOWER)
            self._changed_at = now

    def set_limit(self, limit: float, now: float) -> None:
        """Meta has told another limit for this number."""
        if limit == self.limit:
            return
        self.limit, self._changed_at = limit, now
        self.rate = min(self.rate, limit) if limit < self.rate else limit

    def _recover(self, now: float) -> None:
        steps = int((now - self._changed_at) / _RECOVERY_SECONDS)
        if steps > 0 and self.rate < self.limit:
            self.rate = min(self.limit, self.rate + steps * _FASTER * self.limit)
            self._changed_at += steps * _RECOVERY_SECONDS


@dataclass(slots=True)
class PairRate:
    """The pace of one recipient, learnt from what Meta takes and refuses (docs/decisions/0029).

    **The rule**, as Meta writes it down: one message in six seconds; or up to 45 within six seconds, paid for by
    silence after them. Campaigns keep it always. Others go at once, because Meta does not say how strictly it counts;
    but after a 131056, by which nothing was sent, they keep the rule too, until the recipient has had a quiet minute.

    What Meta took beyond the rule shows that it counts less strictly: the debt by the rule begins anew with it.
    """

    _since: float = float("-inf")
    _count: int = 0
    _held_at: float | None = None
    _refused_at: float = float("-inf")

    def ready_at(self, now: float, *, strict: bool) -> float:
        """When the next message may go: now, or later."""
        return now if not strict and not self._is_held(now) else self._by_the_rule(now)

    def went(self, now: float) -> None:
        """A message went out."""
        if self._held_at is not None:
            self._held_at = now if self._is_held(now) else None
        if now < self._since + PAIR_SECONDS and self._count < PAIR_BURST:
            self._count += 1
        else:
            self._since, self._count = now, 1

    def refused(self, now: float) -> None:
        """Meta has refused a message for this limit."""
        if self._paid() <= now:  # Meta knows of more than we do: what another sender sent, or we forgot
            self._since, self._count = now, 1
        self._held_at = self._refused_at = now

    def joined(self, other: "PairRate") -> "PairRate":
        """As if all had been one: since the earlier of the two that is not over when the later one begins."""
        first, second = sorted((self, other), key=lambda pair: pair._since)  # noqa: SLF001  # they are of one class
        held = max((pair._held_at for pair in (first, second) if pair._held_at is not None), default=None)  # noqa: SLF001  # same
        if first._paid() <= second._since:  # noqa: SLF001  # the same
            return replace(second, _held_at=held)
        return replace(first, _count=first._count + second._count, _held_at=held)  # noqa: SLF001  # the same

    def idle(self, now: float) -> bool:
        """Whether it says nothing any more that a new one would not say."""
        return now >= self._paid() and not self._is_held(now)

    def _by_the_rule(self, now: float) -> float:
        paid = self._paid()
        borrows = now < self._since + PAIR_SECONDS and self._count < PAIR_BURST and self._refused_at < self._since
        return now if now >= paid or borrows else paid

    def _paid(self) -> float:
        return self._since + self._count * PAIR_SECONDS

    def _is_held(self, now: float) -> bool:
        return self._held_at is not None and now < max(self._held_at, self._paid()) + QUIET_SECONDS


class Pairs:
    """The pace of every recipient that was written to lately, by lane. `strict`: all messages keep Meta's rule."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._pairs: dict[str, PairRate] = {}
        self._most = _MANY

    def ready_at(self, lane: str, now: float, *, campaign: bool) -> float:
        """When the next message to this recipient may go; a `campaign`'s keeps Meta's rule."""
        pair = self._pairs.get(lane)
        return pair.ready_at(now, strict=campaign or self._strict) if pair is not None else now

    def went(self, lane: str, now: float) -> None:
        """A message to this recipient goes out now."""
        self._of(lane, now).went(now)

    def refused(self, lane: str, now: float) -> None:
        """Meta has refused a message to this recipient, because it had many (131056)."""
        self._of(lane, now).refused(now)

    def _of(self, lane: str, now: float) -> PairRate:
        pair = self._pairs.get(lane)
        if pair is None:
            pair = self._pairs[lane] = PairRate()
        if len(self._pairs) > self._most:
            self._pairs = {name: pair for name, pair in self._pairs.items() if not pair.idle(now)}
            self._most = max(_MANY, 2 * len(self._pairs))
            self._pairs[lane] = pair
        return pair

    def join(self, lane: str, other: str) -> None:
        """Two lanes have turned out to be one recipient's: what went to either went to `other`."""
        pair = self._pairs.pop(lane, None)
        if pair is not None:
            self._pairs[other] = pair.joined(self._pairs[other]) if other in self._pairs else pair

    def learn(self, lane: str, times: Iterable[float]) -> None:
        """When messages went to this recipient, in order, whoever sent them."""
        pair = self._pairs[lane] = PairRate()
        for at in times:
            pair.went(at)
