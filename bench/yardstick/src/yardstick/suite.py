"""All measurements of the goals, in order, on one rig."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Final

from outbound_http.rounds import run as outbound_http
from yardstick.comparisons import Sizes, conversation_sides, sender_sides, webhook_sides
from yardstick.paced import paced_sides
from yardstick.report.goals import conversation_goals, paced_goals, sender_goals, webhook_goals
from yardstick.rig.measurements import Measurement
from yardstick.rig.rig import Rig, Say
from yardstick.rounds import Rounds, interleaved
from yardstick.services.nest import Nest

PARTS: Final = ("ingress", "conversation", "sender", "http", "paced")
_SLOW: Final = 100.0
_FAST: Final = 1_000.0
_CALLS: Final = 20_000


@dataclass(slots=True)
class Outcome:
    """`values` by goal, `rounds` by part and side."""

    values: dict[str, float] = field(default_factory=dict)
    rounds: dict[str, Rounds] = field(default_factory=dict)
    http: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON."""
        rounds = {
            part: {side: [_as_json(one) for one in measurements] for side, measurements in sides.items()}
            for part, sides in self.rounds.items()
        }
        return {"goals": self.values, "rounds": rounds, "http": self.http}


def _as_json(measurement: Measurement) -> dict[str, Any]:
    return {
        "perSecond": measurement.per_second,
        "cpuUs": measurement.cpu_us,
        "memory": measurement.memory,
        "lateMs": list(measurement.late_ms),
    }


async def measure_http(outcome: Outcome, rounds: int, say: Say) -> None:
    """Measure the sender's HTTP client, before a rig takes its cores."""
    outcome.http = await outbound_http(rounds, _CALLS, ["raw", "graph", "aiohttp"], say)
    outcome.values["outbound_http"] = float(outcome.http["ratios"]["graph"])


async def measure(
    outcome: Outcome,
    rig: Rig,
    sizes: Sizes,
    rounds: int,
    parts: Collection[str],
    say: Say,
    nest: Nest | None = None,
    keep: Callable[[], None] = lambda: None,
) -> None:
    """Measure the wanted parts except the HTTP client; with `nest` if it is given.

    `keep` is called after each part.
    """
    if "ingress" in parts:
        async with webhook_sides(rig, sizes, nest) as sides:
            found = outcome.rounds["ingress"] = await interleaved("ingress", sides, rounds, say)
        outcome.values.update(webhook_goals(found))
        keep()
    if "conversation" in parts:
        async with conversation_sides(rig, sizes) as sides:
            found = outcome.rounds["conversation"] = await interleaved("conversation", sides, rounds, say)
        outcome.values.update(conversation_goals(found))
        keep()
    if "sender" in parts:
        async with sender_sides(rig, sizes, nest) as sides:
            found = outcome.rounds["sender"] = await interleaved("sender", sides, rounds, say)
        outcome.values.update(sender_goals(found))
        keep()
    if "paced" in parts:
        async with paced_sides(rig, sizes.seconds, _SLOW, _FAST) as sides:
            found = outcome.rounds["paced"] = await interleaved("paced", sides, rounds, say)
        outcome.values.update(paced_goals(found, _SLOW, _FAST))
        keep()
