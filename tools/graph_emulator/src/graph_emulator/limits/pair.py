"""How fast one person may get messages from one business number: pure.

Meta's "pair rate limit" ("About the platform", Cloud API): one message in 6 seconds, or up to 45 within 6 seconds that
are borrowed from the time after: twenty of them, and the next one may go two minutes after the first. How strictly Meta
counts is not published, so there are two readings: `burst` takes the sentence literally; `bucket` has 45 in store, of
which one comes back each 6 seconds, whenever they were used.
"""

from dataclasses import dataclass

SPACING_MS = 6_000
BURST_MAX = 45


@dataclass(frozen=True, slots=True)
class Burst:
    """`messages` to one person within 6 s of `began_ms` (monotonic milliseconds); mostly it is one."""

    began_ms: float
    messages: int = 1

    @property
    def paid_ms(self) -> float:
        """When the borrowed time has passed."""
        return self.began_ms + self.messages * SPACING_MS


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that is full again at `full_ms` (monotonic milliseconds)."""

    full_ms: float


Owed = Burst | Bucket


def next_owed(reading: str, last: Owed | None, now_ms: float) -> Owed | None:
    """The state after a message sent now, by one of `config.PAIR_READINGS`; None when the message is refused."""
    if reading == "burst":
        return next_burst(last if isinstance(last, Burst) else None, now_ms)
    return next_bucket(last if isinstance(last, Bucket) else None, now_ms)


def next_bucket(last: Bucket | None, now_ms: float) -> Bucket | None:
    """The bucket after a message sent now; None when it is empty."""
    full = max(now_ms, last.full_ms if last is not None else now_ms) + SPACING_MS
    return Bucket(full) if full - now_ms <= BURST_MAX * SPACING_MS else None


def next_burst(last: Burst | None, now_ms: float) -> Burst | None:
    """The burst with a message sent now in it; None when the message is refused."""
    if last is None or now_ms >= last.paid_ms:
        return Burst(now_ms)
    if now_ms < last.began_ms + SPACING_MS and last.messages < BURST_MAX:
        return Burst(last.began_ms, last.messages + 1)
    return None
