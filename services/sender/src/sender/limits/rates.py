"""The rates that Meta allows: messages per second of a number, and messages to one recipient. Synchronous, no IO.

Both say when the next message may go, and are told of each message that goes. Times are seconds of one
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
"""After this time without a message to a recipient, Meta's refusal is forgotten."""
WINDOW_SECONDS: Final = 1.02
"""A little more than the second that Meta counts in."""
ENOUGH_CALLS: Final = 1_000
"""From so many accepted calls on, the shortest of them is taken for the time that every call spends on its way."""

_SLOWER: Final = 0.5
_FASTER: Final = 0.1
_RECOVERY_SECONDS: Final = 10.0
_LEAST_RATE: Final = 1.0
_POLL_SECONDS: Final = 0.02
_CAREFUL: Final = 0.8
_MANY: Final = 10_000


@dataclass(slots=True)
class ShortestCall:
    """The shortest of all accepted calls, in seconds; 0.0 until `ENOUGH_CALLS` of them are known.

    It never grows again. If it forgot, a number whose calls were slow on the way there for a while would take the next
    quick one for impossible. Fewer calls prove little, because each may have opened a connection first.
    """

    seconds: float = 0.0
    _shortest: float = float("inf")
    _calls: int = 0

    def note(self, seconds: float) -> None:
        """An accepted call took this long. A negative time comes from a clock that was set back, and is ignored."""
        if seconds < 0:
            return
        self._shortest = min(self._shortest, seconds)
        self._calls += 1
        if self._calls >= ENOUGH_CALLS:
            self.seconds = self._shortest


@dataclass(slots=True)
class NumberRate:
    """At most `rate` messages in any second, not just on average: the last second's messages are remembered.

    When Meta says that the number is too fast (130429, 80007), the rate falls to half. Every ten seconds without that
    it rises by a tenth of `limit`, up to `limit`.

    **Invariants:**
    - A reservation counts until its call starts, or until it is cancelled.
    - A call counts until a second after its answer, less a *credit*, and not shorter than a second after its start. So
      a slow call takes the place of another one, and the limit is kept however long calls are delayed.
    - Only an accepted call has credit: 0.8 of the shortest accepted call. `shortest_call` may be that of many numbers.

    **Why the limit holds.** Say that every call needs at least *a* seconds from its start until Meta counts it, and an
    accepted one at least *z* from there to its answer. Take the messages that Meta counts within one second, and of
    their calls the one that started last, at *t*: Meta counted it at *t + a* or later. So Meta counted each of the
    others after *t + a - 1*, and its answer came after *t + a + z - 1*. At *t* it therefore still counted here if its
    credit is at most *a + z* (and `WINDOW_SECONDS` leaves 20 ms more). Whatever counts here at *t* is at most the
    limit. Every accepted call takes at least *a + z*, so the credit is small enough when one of `ENOUGH_CALLS` came
    within a quarter of that. A call that was not accepted has no credit, so its *z* may be 0.
    """

    limit: float = DEFAULT_RATE
    rate: float = 0.0
    shortest_call: ShortestCall = field(default_factory=ShortestCall)
    _counted: deque[float] = field(default_factory=deque)
    _reserved: int = 0
    _in_flight: int = 0
    _changed_at: float = 0.0

    def __post_init__(self) -> None:
        """Begin at the limit."""
        self.rate = self.rate or self.limit

    def ready_at(self, now: float) -> float:
        """When the next message may go: now, or later."""
        self._recover(now)
        while self._counted and self._counted[0] <= now - WINDOW_SECONDS:
            self._counted.popleft()
        allowed = max(1, int(self.rate)) - self._reserved - self._in_flight
        if allowed <= 0:
            return now + _POLL_SECONDS
        if len(self._counted) < allowed:
            return now
        return self._counted[len(self._counted) - allowed] + WINDOW_SECONDS

    def available(self, now: float) -> int:
        """How many messages may go now."""
        recent = sum(at > now - WINDOW_SECONDS for at in self._counted)
        return max(0, int(self.rate) - self._reserved - self._in_flight - recent)

    def reserve(self) -> None:
        """A message is about to go."""
        self._reserved += 1

    def cancel(self) -> None:
        """A message that was reserved does not go after all."""
        self._reserved -= 1

    def call_started(self) -> None:
        """The call of a message that was reserved starts now."""
        self._reserved -= 1
        self._in_flight += 1

    def call_ended(self, began: float, now: float, *, accepted: bool) -> None:
        """The call that started then has ended. `accepted`: Meta answered that it takes the message."""
        self._in_flight -= 1
        latest = now
        if accepted:
            self.shortest_call.note(now - began)
            latest = max(began, now - self.shortest_call.seconds * _CAREFUL)
        self._counted.append(max(latest, self._counted[-1]) if self._counted else latest)

    def count(self, now: float, count: int = 1) -> None:
        """Count messages that came in, or that another owner sent: Meta counts them, too."""
        self._counted.extend([now] * count)

    def throttled(self, now: float) -> None:
        """Meta has refused a message for its rate. Several refusals in one second count as one."""
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
    """The rate of one recipient, learnt from what Meta accepts and refuses (docs/decisions/0029).

    **The rule**, as Meta documents it: one message in six seconds; or up to 45 within six seconds, and then silence
    until six seconds have passed for each. Campaigns always keep it. Other messages go at once, because Meta does not
    say how strictly it counts. After a 131056 (Meta did not send that message) they keep the rule too, until the
    recipient has had no message for a minute.

    A message that Meta accepts beyond the rule shows that Meta counts less strictly. Then the count begins anew.
    """

    _since: float = float("-inf")
    _count: int = 0
    _held_at: float | None = None
    _refused_at: float = float("-inf")

    def ready_at(self, now: float, *, strict: bool) -> float:
        """When the next message may go: now, or later."""
        return now if not strict and not self._is_held(now) else self._by_the_rule(now)

    def sent(self, now: float) -> None:
        """A message went out."""
        if self._held_at is not None:
            self._held_at = now if self._is_held(now) else None
        if now < self._since + PAIR_SECONDS and self._count < PAIR_BURST:
            self._count += 1
        else:
            self._since, self._count = now, 1

    def refused(self, now: float) -> None:
        """Meta has refused a message for this limit."""
        if self._paid() <= now:  # Meta counts messages that this process does not know of, or has forgotten
            self._since, self._count = now, 1
        self._held_at = self._refused_at = now

    def merged(self, other: "PairRate") -> "PairRate":
        """Both as one recipient's. The earlier one counts, too, unless it is over when the later one begins."""
        first, second = sorted((self, other), key=lambda pair: pair._since)  # noqa: SLF001  # they are of one class
        held = max((pair._held_at for pair in (first, second) if pair._held_at is not None), default=None)  # noqa: SLF001  # same
        if first._paid() <= second._since:  # noqa: SLF001  # the same
            return replace(second, _held_at=held)
        return replace(first, _count=first._count + second._count, _held_at=held)  # noqa: SLF001  # the same

    def is_idle(self, now: float) -> bool:
        """Whether a new one would give the same answers."""
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
    """The rate of each recent recipient, by lane. `strict`: all messages keep Meta's rule."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._pairs: dict[str, PairRate] = {}
        self._prune_at = _MANY

    def ready_at(self, lane: str, now: float, *, campaign: bool) -> float:
        """When the next message to this recipient may go; a `campaign`'s keeps Meta's rule."""
        pair = self._pairs.get(lane)
        return pair.ready_at(now, strict=campaign or self._strict) if pair is not None else now

    def sent(self, lane: str, now: float) -> None:
        """A message to this recipient goes out now."""
        self._of(lane, now).sent(now)

    def refused(self, lane: str, now: float) -> None:
        """Meta has refused a message to this recipient, because it had too many (131056)."""
        self._of(lane, now).refused(now)

    def _of(self, lane: str, now: float) -> PairRate:
        pair = self._pairs.get(lane)
        if pair is None:
            pair = self._pairs[lane] = PairRate()
        if len(self._pairs) > self._prune_at:
            self._pairs = {name: pair for name, pair in self._pairs.items() if not pair.is_idle(now)}
            self._prune_at = max(_MANY, 2 * len(self._pairs))
            self._pairs[lane] = pair
        return pair

    def join(self, lane: str, other: str) -> None:
        """Two lanes are one recipient's: count the messages of both for `other`."""
        pair = self._pairs.pop(lane, None)
        if pair is not None:
            self._pairs[other] = pair.merged(self._pairs[other]) if other in self._pairs else pair

    def learn(self, lane: str, times: Iterable[float]) -> None:
        """Learn when messages went to this recipient, in order, from any sender."""
        pair = self._pairs[lane] = PairRate()
        for at in times:
            pair.sent(at)
