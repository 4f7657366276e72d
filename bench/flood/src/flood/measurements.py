"""From observations to measurements. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Waits:
    """How long messages took from enqueueing until Meta accepted them, in ms."""

    count: int
    p50: float
    p99: float
    longest: float

    @classmethod
    def of(cls, waits: Sequence[float]) -> "Waits":
        """The percentiles of these times; zeros without any."""
        return cls(len(waits), percentile(waits, 50), percentile(waits, 99), max(waits, default=0.0))


@dataclass(frozen=True, slots=True)
class Served:
    """What the tenants of a plan got while calls were scarce: their waits, and accepted messages per second."""

    waits: Waits
    rate: float


@dataclass(frozen=True, slots=True)
class Number:
    """What a number carried: its limit, its busiest second, its rate while there was enough to send, its refusals."""

    limit: int
    busiest: int
    rate: float
    refused: int

    @property
    def share(self) -> float:
        """The share of its limit that it used."""
        return self.rate / self.limit

    @property
    def kept(self) -> bool:
        """Whether the number kept its limit."""
        return self.busiest <= self.limit and not self.refused


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile; 0 of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)] if ordered else 0.0


def table(phases: Mapping[str, Mapping[str, Waits]]) -> list[str]:
    """A line per phase and plan."""
    lines = [f"{'quiet tenant':<30}{'plan':<10}{'sends':>7}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}"]
    for phase, plans in phases.items():
        for plan, waits in plans.items():
            lines.append(
                f"{phase:<30}{plan:<10}{waits.count:>7}{waits.p50:>9.0f}{waits.p99:>9.0f}{waits.longest:>9.0f}"
            )
    return lines


def scarce_table(plans: Mapping[str, Served]) -> list[str]:
    """A line per plan, and how the p99 of the first plan compares with that of the last."""
    lines = [f"{'calls are scarce':<30}{'plan':<10}{'sends':>7}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'a second':>10}"]
    for plan, served in plans.items():
        waits = served.waits
        figures = f"{waits.count:>7}{waits.p50:>9.0f}{waits.p99:>9.0f}{waits.longest:>9.0f}{served.rate:>10.1f}"
        lines.append(f"{'':<30}{plan:<10}{figures}")
    best, worst = ranked(plans)
    if plans[worst].waits.p99:
        lines.append(f"p99 {best} / {worst}: {plans[best].waits.p99 / plans[worst].waits.p99:.2f}")
    return lines


def ranked(plans: Mapping[str, Served]) -> tuple[str, str]:
    """The plan that got most, and the one that got least."""
    order = sorted(plans, key=lambda plan: plans[plan].rate)
    return order[-1], order[0]


def compared(phases: Mapping[str, Mapping[str, Waits]], before: Mapping[str, Any]) -> list[str]:
    """The p50 and the p99 of each phase and plan that an earlier run has, too, divided by that run's."""
    lines = [f"{'divided by the run before':<30}{'plan':<10}{'p50':>16}{'p99':>9}"]
    for phase, plans in phases.items():
        for plan, waits in plans.items():
            was = before.get("quiet", {}).get(phase, {}).get(plan)
            if was and was["p50"] and was["p99"]:
                lines.append(f"{phase:<30}{plan:<10}{waits.p50 / was['p50']:>16.2f}{waits.p99 / was['p99']:>9.2f}")
    return lines


def number_line(number: Number) -> str:
    """The flooding number in one line."""
    return (
        f"flooding number: limit {number.limit}/s, busiest second {number.busiest}, "
        f"{number.rate:.1f}/s while there was enough ({number.share:.0%} of the limit), {number.refused} refused"
    )


def as_json(phases: Mapping[str, Mapping[str, Waits]], number: Number, **more: Any) -> dict[str, Any]:
    """Everything as JSON."""
    waits = {phase: {plan: asdict(one) for plan, one in plans.items()} for phase, plans in phases.items()}
    return {"quiet": waits, "number": {**asdict(number), "share": round(number.share, 3)}, **more}
