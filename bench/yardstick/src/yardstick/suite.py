"""All parts of the goals, and how those that are wanted are measured on one rig."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from yardstick.parts import (
    conversation,
    conversation_paced,
    exchange,
    http_client,
    idle,
    ingress,
    ingress_paced,
    sender,
    sender_paced,
    stored,
)
from yardstick.parts.part import Bench, Part
from yardstick.report.goals import Goal, values_of
from yardstick.rig.measurements import Measurement
from yardstick.rig.program import ProgramError
from yardstick.rounds import Rounds

PARTS: Final[Sequence[Part]] = (
    ingress.PART,
    conversation.PART,
    sender.PART,
    http_client.PART,
    ingress_paced.PART,
    conversation_paced.PART,
    sender_paced.PART,
    exchange.PART,
    idle.PART,
    stored.PART,
)
GOALS: Final[Sequence[Goal]] = tuple(goal for part in PARTS for goal in part.goals)


def default_parts() -> str:
    """The names of the parts that are measured when none is named, comma separated."""
    return ",".join(part.name for part in PARTS if part.by_default)


def parts_of(names: str) -> list[Part]:
    """The named parts, in the suite's order. Raises `ValueError` when there is none of a name."""
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    if unknown := wanted - {part.name for part in PARTS}:
        raise ValueError(f"no part is named {', '.join(sorted(unknown))}; there are {', '.join(p.name for p in PARTS)}")
    return [part for part in PARTS if part.name in wanted]


def about_parts() -> str:
    """A line for each part, with the minutes that five rounds take, alone and with the commit before."""
    return "\n".join(_about(part) for part in PARTS)


def _about(part: Part) -> str:
    minutes = f"{part.minutes:g} min, with --against {part.minutes + part.minutes_against:g}"
    return f"  {part.name:<20}{minutes:<30}{part.about}" + ("" if part.by_default else " (only if named)")


@dataclass(slots=True)
class Outcome:
    """`values` by goal, `rounds` by part and side; `failed` has the parts that could not be measured, and why."""

    values: dict[str, float] = field(default_factory=dict)
    rounds: dict[str, Rounds] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON."""
        rounds = {
            part: {side: [_as_json(one) for one in measurements] for side, measurements in sides.items()}
            for part, sides in self.rounds.items()
        }
        return {"goals": self.values, "rounds": rounds, "failed": self.failed}


def _as_json(measurement: Measurement) -> dict[str, Any]:
    return {
        "perSecond": measurement.per_second,
        "cpuUs": measurement.cpu_us,
        "memory": measurement.memory,
        "lateMs": list(measurement.late_ms),
        "beside": dict(measurement.beside),
    }


async def measure(
    outcome: Outcome, bench: Bench, rounds: int, parts: Collection[Part], keep: Callable[[], None] = lambda: None
) -> None:
    """Measure these parts. `keep` is called after each. One that fails does not lose the others."""
    for part in parts:
        try:
            outcome.rounds[part.name] = await part.measure(bench, rounds)
        except (ProgramError, TimeoutError, ValueError) as error:
            outcome.failed[part.name] = f"{type(error).__name__} {error}".strip()
            bench.say(f"{part.name} was not measured: {outcome.failed[part.name]}")
            continue
        outcome.values.update(values_of(part.goals, outcome.rounds[part.name]))
        keep()
