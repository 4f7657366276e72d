"""Load at a given pace, and what a message costs at each pace.

One process is measured at several paces, one after the other and each for some seconds, because starting it takes as
long. What it pays while it is nearly idle (polls, heartbeats, timers) counts, in each process.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaProducer

from common.kafka.records import Outgoing
from yardstick.rig.measurements import Measurement, between, usage
from yardstick.rig.program import Program
from yardstick.rig.rig import Rig, Say

PACES: Final[dict[str, float]] = {"20/s": 20.0, "100/s": 100.0, "1000/s": 1_000.0}
"""Messages per second, by their names."""
HIGHEST: Final = "the usual stack's highest pace"

_WARM_SECONDS: Final = 2.0
_WARM_RATE: Final = 100.0
_SETTLE_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 0.005
_POLL_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 60.0
_NEARLY: Final = 0.9
_LEAST_MESSAGES: Final = 160
_HELD: Final = 0.95
_LOWER: Final = 0.9
_TRIES: Final = 8

Progress = Callable[[], Awaitable[int]]


class Pace:
    """Writes records numbered from 0, so many a second, until the end."""

    def __init__(self, rig: Rig, make: Callable[[int], Outgoing], rate: float = _WARM_RATE) -> None:
        self._kafka = rig.kafka
        self._make = make
        self.number = 0
        self.to(rate)

    def to(self, rate: float) -> None:
        """Go on at this pace. What was due before and is not written yet is dropped."""
        self._rate, self._began, self._first = rate, time.monotonic(), self.number

    def due(self, now: float) -> float:
        """How many records should be written by then, in s of the monotonic clock."""
        return self._first + (now - self._began) * self._rate

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write during the block."""
        over = asyncio.Event()
        writing = asyncio.create_task(self._write(over), name="pace")
        try:
            yield
        finally:
            over.set()
            await writing

    async def _write(self, over: asyncio.Event) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._kafka, enable_idempotence=True)
        async with producer:
            self.to(self._rate)
            while not over.is_set():
                while self.number < self.due(time.monotonic()):
                    record = self._make(self.number)
                    headers = list(record.headers)
                    await producer.send(record.topic, record.value, key=record.key.encode(), headers=headers)
                    self.number += 1
                await asyncio.sleep(_TICK_SECONDS)
            await producer.flush()


def seconds_at(rate: float, seconds: float) -> float:
    """How long a pace is measured: longer where there would be too few messages for counters of 10 ms."""
    return max(seconds, _LEAST_MESSAGES / rate)


async def at_paces(
    rig: Rig,
    program: Program,
    progress: Progress,
    make: Callable[[int], Outgoing],
    paces: Mapping[str, float],
    seconds: float,
) -> dict[str, Measurement]:
    """What `program` costs at each pace, by the pace's name, from the lowest to the highest.

    A process that falls behind is measured all the same: its `per_second` is then less than the pace. Raises
    `TimeoutError` when it does not even begin.
    """
    found: dict[str, Measurement] = {}
    base, pace = await progress(), Pace(rig, make)
    async with pace.running():
        await asyncio.sleep(_WARM_SECONDS)
        pace.to(0.0)  # a slow side can catch up with what it has
        await _caught_up(progress, base, lambda: pace.number)
        for name, rate in sorted(paces.items(), key=lambda item: item[1]):
            pace.to(rate)
            await asyncio.sleep(_SETTLE_SECONDS)
            first, before = await progress(), usage(program, rig.pids)
            await asyncio.sleep(seconds_at(rate, seconds))
            found[name] = between(before, usage(program, rig.pids), await progress() - first)
    return found


async def at_rate(
    program: Program, progress: Progress, pace: Pace, seconds: float, beside: Mapping[str, int] | None = None
) -> Measurement:
    """What `program` uses in `seconds` at one pace. At the end no records are left.

    Raises `TimeoutError` when it cannot keep up.
    """
    base, pids = await progress(), beside or {}
    async with pace.running():
        await asyncio.sleep(_WARM_SECONDS)
        await _caught_up(progress, base, lambda: int(pace.number * _NEARLY))
        first, before = await progress(), usage(program, pids)
        await asyncio.sleep(seconds)
        found = between(before, usage(program, pids), await progress() - first)
    await _caught_up(progress, base, lambda: pace.number)
    return found


async def _caught_up(progress: Progress, base: int, wanted: Callable[[], int]) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while await progress() - base < wanted():
            await asyncio.sleep(_POLL_SECONDS)


async def highest_held(run: Callable[[float], Awaitable[Measurement]], full: float, say: Say) -> float:
    """The highest pace that a side holds, to a tenth: tried downwards from the rate of its `full` load.

    It holds a pace at which 95 % of what is given comes out. After eight tries the last one is taken.
    """
    for rate in tried(full):
        reached = (await run(rate)).per_second
        say(f"{HIGHEST}: {reached:,.0f} of {rate:,.0f}/s")
        if holds(reached, rate):
            break
    return rate


def tried(full: float) -> Sequence[float]:
    """The paces to try, from a tenth below the full rate downwards. Pure."""
    return [full * _LOWER ** (number + 1) for number in range(_TRIES)]


def holds(reached: float, rate: float) -> bool:
    """Whether a side holds a pace. Pure."""
    return reached >= _HELD * rate
