"""What a record costs mongod beside a million messages, and beside ten thousand: conversation's, and the sender's.

The services' own writes, without Kafka and their processes. The CPU time is mongod's, its next checkpoint included.
"""

from typing import Final

from yardstick.parts.part import Bench, Part
from yardstick.report.goals import Ratio, at_most, cpu
from yardstick.rig.measurements import Measurement
from yardstick.rounds import Rounds
from yardstick.stored.measuring import Cost
from yardstick.stored.rounds import SIZES, Plan, measure

_FEW, _MANY = SIZES
_MOST_ROUNDS: Final = 3  # each takes three minutes


def _side(service: str, messages: int) -> str:
    return f"{service} beside {messages:,} messages"


def _ratio(service: str) -> Ratio:
    return Ratio(_side(service, _MANY), _side(service, _FEW), cpu)


def _as_measurement(cost: Cost) -> Measurement:
    return Measurement(cost.per_second, cost.cpu_us)


async def _measure(bench: Bench, rounds: int) -> Rounds:
    costs = await measure(bench.rig.mongodb, Plan(rounds=min(rounds, _MOST_ROUNDS)), bench.say)
    return {
        _side(service, size): [_as_measurement(cost) for cost in found]
        for service, sizes in costs.items()
        for size, found in sizes.items()
    }


_BESIDE: Final = "beside a million messages ÷ beside ten thousand"
_GOALS: Final = (
    at_most("stored", f"mongod's CPU for a record, {_BESIDE}", 1.3, 1.1, _ratio("conversation")),
    at_most("stored_sends", f"mongod's CPU for a send, {_BESIDE}", 1.3, 1.1, _ratio("sender")),
)
PART: Final = Part("stored", "what mongod takes beside many documents", 12, 0, _GOALS, _measure, by_default=False)
