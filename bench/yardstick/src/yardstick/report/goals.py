"""The goals, and whether the measurements reach them. Pure.

A goal compares two sides that were measured in the same rounds. So it moves with what is compared, and not with the
machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from yardstick.rig.measurements import Measurement, paired

Measured = Mapping[str, Sequence[Measurement]]
Value = Callable[[Measured], float | None]
"""A goal's value from the rounds of its part; None when a side that it needs was not measured."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A required value and a better one to aim at; `at_least` says in which direction."""

    name: str
    text: str
    must: float
    aim: float
    value: Value
    at_least: bool = True

    def holds(self, value: float) -> bool:
        """Whether the required value is reached."""
        return value >= self.must if self.at_least else value <= self.must

    def verdict(self, value: float) -> str:
        """`holds` or `falls short`, and the aim if that is reached too."""
        if not self.holds(value):
            return "falls short"
        reached = value >= self.aim if self.at_least else value <= self.aim
        return "holds, and the aim" if reached else "holds"

    def bounds(self) -> str:
        """Required value and aim in words."""
        sign = "≥" if self.at_least else "≤"
        return f"must {sign} {self.must:g}, aim {sign} {self.aim:g}"


def at_most(name: str, text: str, must: float, aim: float, value: Value) -> Goal:
    """A goal that less is better for."""
    return Goal(name, text, must, aim, value, at_least=False)


def values_of(goals: Sequence[Goal], measured: Measured) -> dict[str, float]:
    """The values of all goals whose sides were measured."""
    found = {goal.name: goal.value(measured) for goal in goals}
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Ratio:
    """One side ÷ another, made within each round; the median of the rounds. `of` says what of a measurement."""

    ours: str
    theirs: str
    of: Callable[[Measurement], float]

    def __call__(self, measured: Measured) -> float | None:
        """The value; None when a side was not measured."""
        if self.ours not in measured or self.theirs not in measured:
            return None
        return paired(*([self.of(run) for run in measured[side]] for side in (self.ours, self.theirs)))


@dataclass(frozen=True, slots=True)
class Lowest:
    """The lowest of several values."""

    values: Sequence[Value]

    def __call__(self, measured: Measured) -> float | None:
        """The value; None when one of them has none."""
        found = [value(measured) for value in self.values]
        known = [value for value in found if value is not None]
        return min(known) if known and len(known) == len(found) else None


def rate(run: Measurement) -> float:
    """Messages or requests per second."""
    return run.per_second


def cpu(run: Measurement) -> float:
    """CPU of the measured process per message."""
    return run.cpu_us


def all_cpu(run: Measurement) -> float:
    """CPU of the measured process, the broker and mongod per message."""
    return run.together_us


def per_cpu(run: Measurement) -> float:
    """Messages for a second of CPU: the rate of one core, where something else limits what was measured."""
    return 1e6 / run.cpu_us


def p99(run: Measurement) -> float:
    """The 99th percentile of latencies, in ms."""
    return run.late_ms[1]
