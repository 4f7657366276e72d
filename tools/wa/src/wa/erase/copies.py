"""Until every member of the replica set has copied an erasure, one that is behind may show the person in a listing."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from common.mongo import Mongo

_POLL_SECONDS: Final = 0.1
_CLOCKS: Final = timedelta(seconds=10)
"""By how much the clocks of MongoDB and of those who read there may differ."""


async def await_copies(mongo: Mongo, stale: timedelta, say: Callable[[str], None]) -> Sequence[str]:
    """The members that have not told that they have everything written before; none: all have it, as a majority does.

    They are waited for until `stale` is over, and with it the time in which conversation shows what is so old
    (docs/decisions/0051). Raises the driver's errors.
    """
    async with mongo.client.start_session() as session:
        await mongo.client.admin.command("ping", session=session)
        moment = session.operation_time
    if moment is None:
        return ()  # no replica set, so there are no copies
    loop, told = asyncio.get_running_loop(), False
    began = loop.time()
    until = began + (stale + _CLOCKS).total_seconds()
    while (behind := mongo.primary.behind(moment)) and (now := loop.time()) < until:
        if not told and now - began >= _CLOCKS.total_seconds():
            told = True
            say(f"{', '.join(behind)} have yet to copy the erasure; waiting at most {until - now:.0f} s")
        await asyncio.sleep(_POLL_SECONDS)
    return behind
