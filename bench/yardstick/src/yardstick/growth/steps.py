"""One step of growth: the cost of a message at one size. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from yardstick.rig.measurements import Measurement, Span

MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Step:
    """The cost of a message at one size: CPU µs of the measured services together, and their resident MiB at the end.

    `extra` has what else was measured, each with its unit in its name.
    """

    size: int
    per_second: float
    cpu_us: float
    memory_mib: float
    extra: dict[str, float] = field(default_factory=dict)


def flatness(steps: Sequence[Step]) -> float:
    """The ratio of the cost at the largest size to that at the smallest: 1 when size does not matter."""
    smallest, largest = min(steps, key=lambda step: step.size), max(steps, key=lambda step: step.size)
    return largest.cpu_us / smallest.cpu_us


@dataclass(frozen=True, slots=True)
class Reading:
    """A reading of another process: its CPU seconds when so many messages were done."""

    done: int
    cpu_seconds: float


def cost_beside(readings: Sequence[Reading], span: Span) -> float:
    """CPU µs per message of such a process, over the messages of `span`; 0 without two readings of them."""
    within = [reading for reading in readings if reading.done >= span.warm]
    if not within or within[-1].done == within[0].done:
        return 0.0
    return (within[-1].cpu_seconds - within[0].cpu_seconds) / (within[-1].done - within[0].done) * 1e6


def step_of(size: int, measurements: Sequence[Measurement], **extra: float) -> Step:
    """One step of several programs: costs and memory are sums, and the rate is that of all together."""
    return Step(
        size,
        per_second=min(one.per_second for one in measurements),
        cpu_us=sum(one.cpu_us for one in measurements),
        memory_mib=sum(one.memory for one in measurements) / MIB,
        extra=extra,
    )
