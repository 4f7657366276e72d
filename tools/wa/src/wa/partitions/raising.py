"""Raises the partitions of topics, once nothing that was written before is unread, and looks at them again."""

import asyncio
import time
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from common.kafka.clients import connection
from common.kafka.settings import KafkaSettings
from wa.errors import Failed
from wa.partitions.choice import Choice, Obstacle, Place, Seen, grown, obstacles
from wa.partitions.looking import Looker

_LOOK_SECONDS: Final = 1.0
_CHANGING_MS: Final = 30_000
_LED_SECONDS: Final = 30.0


async def wait_for_quiet(looker: Looker, choice: Choice, seconds: float) -> tuple[Seen, list[Obstacle]]:
    """How the topics stand once nothing is in the way, or what is in the way after that time."""
    deadline = time.monotonic() + seconds
    before = await looker.look(choice)
    while True:
        await asyncio.sleep(_LOOK_SECONDS if choice.stop is not None else 0)
        seen = await looker.look(choice)
        found = obstacles(choice, seen, before)
        if not found or time.monotonic() > deadline:
            return seen, found
        before = seen


async def raise_to(settings: KafkaSettings, looker: Looker, choice: Choice, to: int, seen: Seen) -> list[Place]:
    """Give every topic of the choice so many partitions, each with a leader. Repeating it is harmless.

    Returns the places that have got records meanwhile.

    Raises `KafkaError` when Kafka refuses, and `Failed` when the partitions have no leaders in time.
    """
    fewer = {name: NewPartitions(total_count=to) for name, count in seen.counts.items() if count < to}
    if fewer:
        admin = AIOKafkaAdminClient(**connection(settings), request_timeout_ms=_CHANGING_MS)
        try:
            await admin.start()
            await admin.create_partitions(fewer)
        finally:
            await admin.close()
    await _until_led(looker, choice, to)
    return grown(seen, await looker.look(choice))


async def _until_led(looker: Looker, choice: Choice, to: int) -> None:
    deadline = time.monotonic() + _LED_SECONDS
    while not await looker.led(choice, to):
        if time.monotonic() > deadline:
            raise Failed(f"not all new partitions have a leader after {_LED_SECONDS:g} s: see `wa topics check`")
        await asyncio.sleep(_LOOK_SECONDS / 4)
