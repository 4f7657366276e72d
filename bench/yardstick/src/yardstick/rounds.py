"""Compares sides: each round runs every side once, and every second round in reverse order.

So what changes slowly on a shared machine meets all sides alike, and ratios are made within a round.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from yardstick.rig.measurements import Measurement
from yardstick.rig.rig import Say

Side = Callable[[], Awaitable[Measurement | Mapping[str, Measurement]]]
"""One run. A side that measures several things in a run returns them by their names."""
Rounds = dict[str, list[Measurement]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes: seconds of a run, messages in a backlog."""

    seconds: float
    messages: int
    sends: int

    @classmethod
    def full(cls) -> "Sizes":
        """The sizes for a report."""
        return cls(seconds=4.0, messages=60_000, sends=10_000)

    @classmethod
    def quick(cls) -> "Sizes":
        """The sizes for a first impression."""
        return cls(seconds=3.0, messages=30_000, sends=6_000)


async def interleaved(title: str, sides: Mapping[str, Side], rounds: int, say: Say) -> Rounds:
    """The measurements of each side, one for each round."""
    found: Rounds = {}
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for side in order:
            run = await sides[side]()
            for name, measurement in ({side: run} if isinstance(run, Measurement) else run).items():
                found.setdefault(name, []).append(measurement)
                say(f"{title} {number + 1}/{rounds}  {told(name, measurement)}")
    return found


def told(name: str, measurement: Measurement) -> str:
    """A measurement as a line."""
    beside = "".join(f"  {part} {cost:,.0f} µs" for part, cost in measurement.beside.items())
    return (
        f"{name:<40} {measurement.per_second:>9,.0f}/s  {measurement.cpu_us:>8,.1f} µs"
        f"  {measurement.core_share:5.2f} of its core{beside}"
    )
