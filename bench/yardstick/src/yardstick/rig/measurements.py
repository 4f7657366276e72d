"""The result of a run: rate and cost. Also watches a process while it works through a backlog."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import psutil

from yardstick.rig.machine import Used, used
from yardstick.rig.program import Program

_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of one side. `cpu_us` is CPU time of the measured process per message or request, `memory` in bytes.

    `late_ms` are latencies, where the run has them. `beside` has the CPU µs per message of the processes that work for
    the measured one, by name (`broker`, `mongod`). For an idle process a "message" is a second.
    """

    per_second: float
    cpu_us: float
    memory: int = 0
    late_ms: Sequence[float] = ()
    beside: Mapping[str, float] = field(default_factory=dict)

    @property
    def core_share(self) -> float:
        """CPU seconds per second."""
        return self.per_second * self.cpu_us / 1e6

    @property
    def together_us(self) -> float:
        """CPU µs per message of the measured process and of those beside it."""
        return self.cpu_us + sum(self.beside.values())


@dataclass(frozen=True, slots=True)
class Usage:
    """What the measured process has used, and the CPU seconds of those beside it, at the time `at` (monotonic, s)."""

    at: float
    own: Used
    beside: Mapping[str, float]


def usage(program: Program, beside: Mapping[str, int]) -> Usage:
    """Read all counters now. `beside` are pids by name. Raises `ProgramError` when `program` has ended."""
    return Usage(time.monotonic(), program.used(), cpu_of(beside))


def cpu_of(pids: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds by name."""
    return {name: used(pid).cpu_seconds for name, pid in pids.items() if psutil.pid_exists(pid)}


def between(before: Usage, after: Usage, done: int, late_ms: Sequence[float] = ()) -> Measurement:
    """What `done` messages cost between two readings. Pure."""
    count = max(1, done)
    return Measurement(
        count / (after.at - before.at),
        (after.own.cpu_seconds - before.own.cpu_seconds) / count * 1e6,
        after.own.memory_bytes,
        late_ms,
        {name: (after.beside[name] - cpu) / count * 1e6 for name, cpu in before.beside.items() if name in after.beside},
    )


@dataclass(frozen=True, slots=True)
class Span:
    """The measured part of a backlog: from the `warm`-th record to the `total`-th, or for `seconds`."""

    total: int
    warm: int
    seconds: float


async def watch(
    program: Program, progress: Callable[[], Awaitable[int]], span: Span, beside: Mapping[str, int] | None = None
) -> Measurement:
    """The rate and the cost of `program` while it processes a backlog, and of the pids `beside` it.

    Raises `TimeoutError` without progress, `ValueError` when nothing was left to measure.
    """
    pids = beside or {}
    async with asyncio.timeout(span.seconds + 120):
        while (first := await progress()) < span.warm:
            await asyncio.sleep(_POLL_SECONDS)
        before = usage(program, pids)
        last, after = first, before
        while last < span.total and after.at - before.at < span.seconds:
            await asyncio.sleep(_POLL_SECONDS)
            last, after = await progress(), usage(program, pids)
    if after is before:
        raise ValueError(f"{program.name} was done with the backlog of {span.total} before it was measured")
    return between(before, after, last - first)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all are not above; 0 when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def paired(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of what was measured in the same round."""
    return median(mine / other for mine, other in zip(ours, theirs, strict=True))
