"""What the jobs of conversation read and remove."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from common.mongo.turns import Turn, last_done
from conversation.upkeep.removing import Removing
from conversation.upkeep.rules import Cutoffs, Kept, cutoffs
from yardstick.queries.query import Query
from yardstick.queries.world import World

_KEPT: Final = Kept(messages=364, conversations=730, usage=179)
"""A day less than the data has."""


def _cutoffs(world: World) -> Callable[[str | None], Cutoffs]:
    """As if everything had arrived long ago: it has been written just now."""
    found = replace(cutoffs(_KEPT, world.now), repeated=world.now + timedelta(days=1))
    return lambda _: found


async def _retention(world: World) -> None:
    """A run over everything, with a conversation that has been kept long enough."""
    await world.apply([world.said(world.stranger().contact, world.now - timedelta(days=800))])
    await Removing(world.store, _cutoffs(world), lambda *_: None).run()


async def _slice(world: World) -> None:
    """One page of conversations, and what of their messages goes."""
    removing: Any = Removing(world.store, _cutoffs(world), lambda *_: None)
    page = await anext(removing._pages())  # noqa: SLF001  # a whole run would go through all conversations
    cutoff = _cutoffs(world)(None).messages
    await removing._messages({"$in": [one["_id"] for one in page]}, cutoff)  # noqa: SLF001  # as above
    await removing._conversations(page[:10])  # noqa: SLF001  # as above


async def _job(world: World) -> None:
    """A turn of a job: taken, renewed, given back; and one that is another process's."""
    now = lambda: world.now  # noqa: E731  # the clock of a turn
    soon = timedelta(seconds=0.05)
    async with Turn(world.store.jobs, "bench", every=timedelta(), now=now, taken=soon):
        async with Turn(world.store.jobs, "bench", every=timedelta(), now=now):
            pass
        await asyncio.sleep(0.1)
    await last_done(world.store.jobs, "bench")


UPKEEP: Final = (
    Query("removal of old documents", _retention, whole=True),
    Query("removal, one page", _slice),
    Query("turn of a job", _job),
)
