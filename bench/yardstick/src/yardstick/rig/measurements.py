"""The result of a run: rate and cost. Also watches a process while it works through a backlog."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from yardstick.rig.program import Program

_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of one side. `cpu_us` is CPU time of the measured process per message or request, `memory` in bytes.

    `late_ms` are latencies, where the run has them.
    """

    per_second: float
    cpu_us: float
    memory: int = 0
    late_ms: Sequence[float] = ()

    @property
    def core_share(self) -> float:
        """CPU seconds per second."""
        return self.per_second * self.cpu_us / 1e6


@dataclass(frozen=True, slots=True)
class Span:
    """The measured part of a backlog: from the `warm`-th record to the `total`-th, or for `seconds`."""

    total: int
    warm: int
    seconds: float


async def watch(program: Program, progress: Callable[[], Awaitable[int]], span: Span) -> Measurement:
    """The rate and the cost of `program` while it processes a backlog. Raises `TimeoutError` without progress."""
    async with asyncio.timeout(span.seconds + 120):
        while (first := await progress()) < span.warm:
            await asyncio.sleep(_POLL_SECONDS)
        before, began = program.used(), time.monotonic()
        last, ended, after = first, began, before
        while last < span.total and ended - began < span.seconds:
            await asyncio.sleep(_POLL_SECONDS)
            last, ended, after = await progress(), time.monotonic(), program.used()
    done = max(1, last - first)
    cpu = after.cpu_seconds - before.cpu_seconds
    return Measurement(done / (ended - began), cpu / done * 1e6, after.memory_bytes)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all are not above; 0 when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def paired(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of what was measured in the same round."""
    return median(mine / other for mine, other in zip(ours, theirs, strict=True))
