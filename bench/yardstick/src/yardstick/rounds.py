"""Compares sides: each round runs every side once, and every second round in reverse order.

So what changes slowly on a shared machine meets all sides alike, and ratios are made within a round.
"""

from collections.abc import Awaitable, Callable, Mapping

from yardstick.rig.measurements import Measurement
from yardstick.rig.rig import Say

Side = Callable[[], Awaitable[Measurement]]
Rounds = dict[str, list[Measurement]]


async def interleaved(title: str, sides: Mapping[str, Side], rounds: int, say: Say) -> Rounds:
    """The measurements of each side, one for each round."""
    found: Rounds = {name: [] for name in sides}
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in order:
            measurement = await sides[name]()
            found[name].append(measurement)
            say(
                f"{title} {number + 1}/{rounds}  {name:<26} {measurement.per_second:>9,.0f}/s"
                f"  {measurement.cpu_us:>8,.1f} µs  {measurement.core_share:5.2f} of its core"
            )
    return found
