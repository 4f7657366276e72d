"""What a part of the goals is. To add one: write a module with a `PART`, and add it to `suite.PARTS`."""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from yardstick.report.goals import Goal
from yardstick.rig.checkout import Checkout
from yardstick.rig.rig import Rig, Say
from yardstick.rounds import Rounds, Side, Sizes, interleaved
from yardstick.services.nest import Nest

BEFORE = ", the commit before"
"""What a side's name ends with when it is a service of `--against`."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What parts measure with: `nest` and `before` only when they are wanted."""

    rig: Rig
    sizes: Sizes
    say: Say
    nest: Nest | None = None
    before: Checkout | None = None

    def ours(self, name: str) -> dict[str, str]:
        """The sides of a service of ours, with the interpreter that runs each."""
        before = {name + BEFORE: self.before.interpreter} if self.before else {}
        return {name: sys.executable, **before}


@dataclass(frozen=True, slots=True)
class Part:
    """`measure` gives the rounds of all sides, and `goals` compare them.

    `minutes` is about how long five rounds take, and `minutes_against` how much longer with the commit before.
    """

    name: str
    about: str
    minutes: float
    minutes_against: float
    goals: Sequence[Goal]
    measure: Callable[[Bench, int], Awaitable[Rounds]]
    by_default: bool = True


Sides = Callable[[Bench], AbstractAsyncContextManager[Mapping[str, Side]]]


def in_rounds(title: str, sides: Sides, at_most: int | None = None) -> Callable[[Bench, int], Awaitable[Rounds]]:
    """The usual way to measure: all sides in interleaved rounds, `at_most` so many, with what they share."""

    async def measure(bench: Bench, rounds: int) -> Rounds:
        async with sides(bench) as running:
            return await interleaved(title, running, min(rounds, at_most or rounds), bench.say)

    return measure
