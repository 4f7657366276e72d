"""Ending the transaction that a dead or cut-off predecessor has left open (docs/decisions/0007).

A transaction whose client was killed stays open on the server for up to a minute (`transactionLifetimeLimitSeconds`),
and a writer of the same documents meets write conflicts until then. So the owner of a piece of work says under which
session it writes, and the next owner ends that session first.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    """The session under which the owner of these names (partitions of a consumer group) writes; or several `sessions`.

    `async with OwnedSession(mongo, *names) as session`. Entering it ends the sessions of the owners before, in at most
    four calls for any number of names. Raises the driver's errors; then nothing is owned, and the sessions that were
    not ended are still named, so that the next owner ends them. Leaving it ends its own, as far as MongoDB answers,
    and raises nothing. A predecessor that comes back may still write. So both must write the same: all writes are
    keyed by derived ids.

    The first session is the `lsid` of each name. The others are in its `before`, so that also an owner of an earlier
    version ends them.
    """

    def __init__(self, mongo: Mongo, *names: str, sessions: int = 1) -> None:
        self._mongo = mongo
        self._names = names
        self._count = sessions
        self._collection: AsyncCollection[Document] = mongo.database[COLLECTION]
        self._sessions: list[AsyncClientSession] = []
        self._free: list[AsyncClientSession] = []

    async def __aenter__(self) -> Self:
        sessions = [self._mongo.client.start_session() for _ in range(self._count)]
        try:
            await self._take_over(*_ids(sessions))
        except BaseException:
            await _give_back(sessions)
            raise
        self._sessions, self._free = sessions, sessions[::-1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sessions, self._sessions, self._free = self._sessions, [], []
        if not sessions:
            return
        try:
            await self._give_up(_ids(sessions))
        finally:
            await _give_back(sessions)

    def name_of(self, session: AsyncClientSession) -> str:
        """A name that no other session has of an owner that may write now: the first partition, and which session."""
        number = self._sessions.index(session)
        return f"{self._names[0]}#{number}" if number else self._names[0]

    @property
    def client_session(self) -> AsyncClientSession:
        """The driver's session, while it is entered; of several the first."""
        assert self._sessions, "enter the session first"  # noqa: S101  # a mistake in the program
        return self._sessions[0]

    @contextmanager
    def free_session(self) -> Iterator[AsyncClientSession]:
        """A session that no one else has meanwhile."""
        assert self._free, "more transactions at the same time than sessions"  # noqa: S101  # a mistake in the program
        session = self._free.pop()
        try:
            yield session
        finally:
            if self._sessions:
                self._free.append(session)

    async def _take_over(self, mine: Any, *others: Any) -> None:
        # Ours are written before theirs are ended: the next owner finds them.
        named = _named_instead(mine, others)
        await self._collection.bulk_write(
            [UpdateOne({"_id": name}, named, upsert=True) for name in self._names], ordered=False
        )
        ours = {"_id": {"$in": list(self._names)}, "lsid": mine}  # without those that are another owner's by now
        before = {lsid async for document in self._collection.find(ours) for lsid in document.get("before", ())}
        before.difference_update(others)
        if not before:
            return
        await self._end(list(before))
        left = {"$set": {"before": list(others)}} if others else {"$unset": {"before": ""}}
        await self._collection.update_many(ours, left)
        log.info("ended the predecessors' sessions", extra={"owners": len(self._names), "sessions": len(before)})

    async def _give_up(self, mine: Sequence[Any]) -> None:
        # The driver hands the id of a session that has ended to whatever it does next. Were it still named here, the
        # next owner would end that: another owner's transaction, or a read of the API.
        try:
            await self._end(mine)
            await self._collection.delete_many({"_id": {"$in": list(self._names)}, "lsid": mine[0]})
        except PyMongoError as error:
            log.warning("the next owner ends our session", extra={"owners": self._names, "error": repr(error)})

    async def _end(self, lsids: Sequence[Any]) -> None:
        # Sessions of one's own may be ended without any privilege (MongoDB manual, killSessions). After a change of
        # primary the transaction is gone with the old one.
        await self._mongo.client.admin.command({"killSessions": [{"id": lsid} for lsid in lsids]})


def _ids(sessions: Sequence[AsyncClientSession]) -> list[Any]:
    return [session.session_id["id"] for session in sessions]


async def _give_back(sessions: Sequence[AsyncClientSession]) -> None:
    for session in sessions:
        await session.end_session()


def _named_instead(mine: Any, others: Sequence[Any]) -> list[Document]:
    """The update that names these sessions, and keeps those that were named before and have not been ended yet."""
    before = {"$setUnion": [{"$ifNull": ["$before", []]}, [{"$ifNull": ["$lsid", mine]}], list(others)]}
    return [{"$set": {"lsid": mine, "before": {"$setDifference": [before, [mine]]}}}]
