"""How fast one person may get messages from one business number: pure.

Meta's "pair rate limit" ("About the platform", Cloud API): one message in 6 seconds, or up to 45 within 6 seconds that
are borrowed from the time after: twenty of them, and the next one may go two minutes after the first.
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
        """When the time that it borrowed is over."""
        return self.began_ms + self.messages * SPACING_MS


def next_burst(last: Burst | None, now_ms: float) -> Burst | None:
    """The burst that a message sent now belongs to, with it; None when the message is refused."""
    if last is None or now_ms >= last.paid_ms:
        return Burst(now_ms)
    if now_ms < last.began_ms + SPACING_MS and last.messages < BURST_MAX:
        return Burst(last.began_ms, last.messages + 1)
    return None
