"""One attack, with a good tenant's traffic and a watch on the machine beside it."""

import asyncio
import time
from typing import Final

from aiohttp import ClientSession, TCPConnector

from hostile.attacks import Attack, Sides, Size
from hostile.good import Good
from hostile.machine import Machine
from hostile.report import Row
from hostile.tenants import ATTACKER, VICTIM, Stage
from testbed.system import System

_AFTER_SECONDS: Final = 5.0
"""How long the good tenant continues after an attack, because late effects show themselves then."""


async def measured(attack: Attack, system: System, size: Size) -> Row:
    """Run one attack, and measure its effect on others."""
    async with ClientSession(connector=TCPConnector(limit=500)) as session:
        stage = Stage(system, session)
        attacker = await stage.onboard(ATTACKER, "106540352270001")
        victim = await stage.onboard(VICTIM, "106540352280001")
        good = Good(stage, await stage.onboard(VICTIM, "106540352280005", place=5))
        began = time.monotonic()
        async with Machine(system) as machine, good:
            done = await attack.run(Sides(stage, attacker, victim, size))
            took = time.monotonic() - began
            await asyncio.sleep(_AFTER_SECONDS)
        return Row(
            name=attack.name,
            seconds=took,
            done=done,
            webhooks=good.webhooks.summary(),
            sends=good.sends.summary(),
            lost=len(good.lost),
            answers=added(stage.answers, good.answers),
            seen=machine.seen,
            errors=stage.errors[:8],
        )


def added(one: dict[int, int], other: dict[int, int]) -> dict[int, int]:
    """Counts of both, by status. Pure."""
    return {status: one.get(status, 0) + other.get(status, 0) for status in sorted({*one, *other})}
