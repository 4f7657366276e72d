"""The goals, and whether the measurements reach them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from yardstick.rig.measurements import Measurement, paired

Measured = Mapping[str, Sequence[Measurement]]


@dataclass(frozen=True, slots=True)
class Goal:
    """A required ratio and a target; `at_least` says in which direction."""

    name: str
    text: str
    must: float
    aim: float
    at_least: bool = True

    def holds(self, value: float) -> bool:
        """Whether the required ratio is reached."""
        return value >= self.must if self.at_least else value <= self.must

    def verdict(self, value: float) -> str:
        """`holds` or `falls short`, and the target if that is reached too."""
        if not self.holds(value):
            return "falls short"
        reached = value >= self.aim if self.at_least else value <= self.aim
        return "holds, and the aim" if reached else "holds"

    def bounds(self) -> str:
        """Required ratio and target in words."""
        sign = "≥" if self.at_least else "≤"
        return f"must {sign} {self.must:g}, aim {sign} {self.aim:g}"


GOALS: Final = (
    Goal("ingress_bare", "ingress req/s ÷ bare ASGI + produce", 0.60, 0.80),
    Goal("ingress_pywa", "ingress req/s ÷ pywa on FastAPI + produce", 4, 6),
    Goal("ingress_p99", "p99 at saturation ÷ the bare app's", 3, 2, at_least=False),
    Goal("conversation_usual", "conversation msgs/s ÷ FastStream per message + motor (1 worker)", 20, 40),
    Goal("conversation_floor", "conversation msgs/s ÷ a bare loop of the same transaction", 0.35, 0.55),
    Goal("sender_usual", "sender msgs/s with journal ÷ FastStream per message + httpx", 5, 8),
    Goal("outbound_http", "sender's HTTP client CPU ÷ raw protocol over TLS", 3.5, 1.6, at_least=False),
    Goal("sender_share", "1,000 sends/s at 150 ms Graph latency: share of one core", 0.45, 0.20, at_least=False),
    Goal("growth", "cost per message at ten times the load ÷ at one time, the worst service", 1.1, 0.8, at_least=False),
)


def webhook_goals(measured: Measured) -> dict[str, float]:
    """Requests per second of one core, computed from CPU per request, because the load or Kafka may be slower."""
    ours, bare, pywa = (measured[name] for name in ("ingress", "bare ASGI", "pywa on FastAPI"))
    return {
        "ingress_bare": min(_by_rate(ours, bare), _by_cpu(ours, bare)),
        "ingress_pywa": min(_by_rate(ours, pywa), _by_cpu(ours, pywa)),
        "ingress_p99": paired([f.late_ms[1] for f in ours], [f.late_ms[1] for f in bare]),
    }


def conversation_goals(measured: Measured) -> dict[str, float]:
    """Compares messages per second."""
    ours = measured["conversation"]
    return {
        "conversation_usual": _by_rate(ours, measured["FastStream + motor, 1"]),
        "conversation_floor": _by_rate(ours, measured["bare transaction"]),
    }


def sender_goals(measured: Measured) -> dict[str, float]:
    """Against FastStream in its default, one message at a time. The report also has 64 at a time."""
    return {"sender_usual": _by_rate(measured["sender"], measured["FastStream + httpx, 1"])}


def paced_goals(measured: Measured, slow: float, fast: float) -> dict[str, float]:
    """The cost of each service at ten times the load, and the sender's share of its core at the higher load."""
    growth = [
        paired(
            [f.cpu_us for f in measured[f"{kind} at {fast:g}/s"]], [f.cpu_us for f in measured[f"{kind} at {slow:g}/s"]]
        )
        for kind in ("ingress", "conversation", "sender")
    ]
    share = median(f.core_share / f.per_second * fast for f in measured[f"sender at {fast:g}/s"])
    return {"growth": max(growth), "sender_share": share}


def _by_rate(ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> float:
    return paired([f.per_second for f in ours], [f.per_second for f in theirs])


def _by_cpu(ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> float:
    return paired([1 / f.cpu_us for f in ours], [1 / f.cpu_us for f in theirs])
