"""Ending the transaction that a dead or cut-off predecessor has left open (docs/decisions/0007).

A transaction whose client was killed stays open on the server for up to a minute (`transactionLifetimeLimitSeconds`),
and a writer of the same documents meets write conflicts until then. So the owner of a piece of work says under which
session it writes, and the next owner ends that session first.
"""

import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError

from common.mongo.client import Document, Mongo
from common.mongo.schema import PARTITION_OWNERS

log = logging.getLogger(__name__)

COLLECTION: Final = PARTITION_OWNERS.name


class OwnedSession:
    """The one session under which the owner of these names (partitions of a consumer group) writes.

    `async with OwnedSession(mongo, *names) as session`. Entering it ends the sessions of the owners before, in at most
    four calls for any number of names. Raises the driver's errors; then nothing is owned, and the sessions that were
    not ended are still named, so that the next owner ends them. Leaving it ends its own, as far as MongoDB answers,
    and raises nothing. A predecessor that comes back may still write. So both must write the same: all writes are
    keyed by derived ids.
    """

    def __init__(self, mongo: Mongo, *names: str) -> None:
        self._mongo = mongo
        self._names = names
        self._collection: AsyncCollection[Document] = mongo.database[COLLECTION]
        self._session: AsyncClientSession | None = None

    async def __aenter__(self) -> Self:
        session = self._mongo.client.start_session()
        try:
            await self._take_over(session.session_id["id"])
        except BaseException:
            await session.end_session()
            raise
        self._session = session
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        try:
            await self._give_up(session.session_id["id"])
        finally:
            await session.end_session()

    @property
    def client_session(self) -> AsyncClientSession:
        """The driver's session, while it is entered."""
        assert self._session is not None, "enter the session first"  # noqa: S101  # a mistake in the program
        return self._session

    async def _take_over(self, mine: Any) -> None:
        # Ours is written before theirs are ended: the next owner finds it.
        named = _named_instead(mine)
        await self._collection.bulk_write(
            [UpdateOne({"_id": name}, named, upsert=True) for name in self._names], ordered=False
        )
        ours = {"_id": {"$in": list(self._names)}, "lsid": mine}  # without those that are another owner's by now
        before = {lsid async for document in self._collection.find(ours) for lsid in document.get("before", ())}
        if not before:
            return
        await self._end(list(before))
        await self._collection.update_many(ours, {"$unset": {"before": ""}})
        log.info("ended the predecessors' sessions", extra={"owners": len(self._names), "sessions": len(before)})

    async def _give_up(self, mine: Any) -> None:
        # The driver hands the id of a session that has ended to whatever it does next. Were it still named here, the
        # next owner would end that: another owner's transaction, or a read of the API.
        try:
            await self._end([mine])
            await self._collection.delete_many({"_id": {"$in": list(self._names)}, "lsid": mine})
        except PyMongoError as error:
            log.warning("the next owner ends our session", extra={"owners": self._names, "error": repr(error)})

    async def _end(self, lsids: Sequence[Any]) -> None:
        # Sessions of one's own may be ended without any privilege (MongoDB manual, killSessions). After a change of
        # primary the transaction is gone with the old one.
        await self._mongo.client.admin.command({"killSessions": [{"id": lsid} for lsid in lsids]})


def _named_instead(mine: Any) -> list[Document]:
    """The update that names this session, and keeps those that were named before and have not been ended yet."""
    before = {"$setUnion": [{"$ifNull": ["$before", []]}, [{"$ifNull": ["$lsid", mine]}]]}
    return [{"$set": {"lsid": mine, "before": {"$setDifference": [before, [mine]]}}}]
