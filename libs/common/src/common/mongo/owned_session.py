"""Ending the transaction that a dead or cut-off predecessor has left open (docs/decisions/0007).

A transaction whose client was killed stays open on the server for up to a minute (`transactionLifetimeLimitSeconds`),
and a writer of the same documents meets write conflicts until then. So the owner of a piece of work says under which
session it writes, and the next owner ends that session first.
"""

import logging
from types import TracebackType
from typing import Any, Final, Self

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError

from common.mongo.client import Document, Mongo
from common.mongo.schema import PARTITION_OWNERS

log = logging.getLogger(__name__)

COLLECTION: Final = PARTITION_OWNERS.name


class OwnedSession:
    """The one session under which `owner` (a consumer group's slot) writes: `async with OwnedSession(...) as session`.

    Entering it ends the session of the owner before. Raises the driver's errors; then nothing is owned.
    Leaving it ends its own, as far as MongoDB answers, and raises nothing.
    A predecessor that comes back may still write. So both must write the same: all writes are keyed by derived ids.
    """

    def __init__(self, mongo: Mongo, owner: str) -> None:
        self._mongo = mongo
        self._owner = owner
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
        # Ours is written before theirs is ended: the next owner finds it.
        before = await self._collection.find_one_and_update({"_id": self._owner}, {"$set": {"lsid": mine}}, upsert=True)
        if before is None or "lsid" not in before:
            return
        await self._end(before["lsid"])
        log.info("ended the predecessor's session", extra={"owner": self._owner})

    async def _give_up(self, mine: Any) -> None:
        # The driver hands the id of a session that has ended to whatever it does next. Were it still named here, the
        # next owner would end that: another slot's transaction, or a read of the API.
        try:
            await self._end(mine)
            await self._collection.delete_one({"_id": self._owner, "lsid": mine})
        except PyMongoError as error:
            log.warning("the next owner ends our session", extra={"owner": self._owner, "error": repr(error)})

    async def _end(self, lsid: Any) -> None:
        # Sessions of one's own may be ended without any privilege (MongoDB manual, killSessions). After a change of
        # primary the transaction is gone with the old one.
        await self._mongo.client.admin.command({"killSessions": [{"id": lsid}]})
