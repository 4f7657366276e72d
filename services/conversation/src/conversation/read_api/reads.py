"""Where the read API reads: the primary, or for a listing that may be a little behind also a secondary."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, TypeVar

from common.mongo import Mongo
from common.mongo.failover.waited_reads import WaitedReads, waited_for
from conversation.read_api.documents import Documents
from conversation.read_api.queries import ReadQueries

T = TypeVar("T")

_ONE_SECONDS: Final = 5.0
"""For reads of single documents, which take milliseconds. A listing has ten: a summary of many days is counted."""


class Reads:
    """Asks the queries. `stale` is how old what a listing shows may be; zero: only the primary is asked."""

    def __init__(self, mongo: Mongo, *, stale: timedelta) -> None:
        self._mongo = mongo
        self._waited = WaitedReads(mongo, stale=stale)
        self._primary = ReadQueries(Documents(mongo.database))

    async def exact(self, ask: Callable[[ReadQueries], Awaitable[T]]) -> T:
        """What the primary answers, for reads that decide something. Raises `Unavailable`, and what `ask` raises."""
        with waited_for(self._mongo, _ONE_SECONDS):
            return await ask(self._primary)

    async def listed(self, ask: Callable[[ReadQueries], Awaitable[T]]) -> tuple[T, datetime | None]:
        """What is there; with the moment as of which a secondary knew it, None: the primary answered.

        Raises `Unavailable`, and what `ask` raises.
        """
        return await self._waited.read(lambda source: ask(ReadQueries(Documents(source))))
