"""Erases a person from the found documents. Every step may be repeated, so an interrupted run can be run again.

The order matters, because conversations and messages lead to the other documents: first what depends on the messages,
then the messages, then the conversations. Some hundreds of documents are changed at once, and it rests in between, so
that the services go on.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from collections.abc import Collection as Keys
from datetime import datetime
from typing import Final

from common.contracts.journal import ERASED_AT, UNDER_WAY, WAITING
from common.mongo import Database, UpdateOne, schema
from common.mongo.schema import Collection
from common.tasks import pause
from wa.connection import Progress, Say
from wa.erase import changes
from wa.erase.changes import Pipeline
from wa.erase.finding import Finder, Found
from wa.erase.scope import Query, one_of

_TRIES: Final = 5
_SHARE: Final = 0.5
"""Of the time. The rest is for the services."""


class Eraser:
    """One run. It raises the driver's errors; after one it may be run again. How far it is goes to `say`.

    `counts` has the number of changed documents for each collection.
    """

    def __init__(self, database: Database, now: datetime, say: Say) -> None:
        self._database = database
        self._now = now
        self._progress = Progress(say)
        self.counts: Counter[str] = Counter()

    async def erase(self, found: Found, finder: Finder) -> None:
        """Erase the person, also from what the services write meanwhile into the same conversations."""
        await self._erase(found)
        for _ in range(_TRIES):
            later = await finder.later(found)
            if later is None:
                break
            await self._erase(later)
        await self._remove(schema.CONVERSATIONS, found.conversations)
        # Nothing comes to them any more: a batch that would write into one of them is planned again without it.
        if left := await finder.left(found):
            await self._erase(left)

    async def _erase(self, found: Found) -> None:
        await self._end_sends(found)
        await self._update(schema.WEBHOOK_EVENTS, found.webhook_events, changes.webhook_event_erased())
        await self._update(schema.USAGE_LOGS, found.usage, changes.usage_erased())
        names = found.scope.participant_names
        await self._update(schema.MESSAGES, found.participated, changes.participant_erased(names))
        await self._update(schema.MESSAGES, found.messages, changes.message_erased())
        await self._update(schema.CONVERSATIONS, found.groups, changes.group_erased())

    async def under_way(self, found: Found) -> int:
        """How many of the sends are at Meta now, or in doubt. Those are not changed."""
        journal = self._database[schema.SEND_JOURNAL.name]
        keys = {*found.journal, *map(_journal_id, found.parked)}
        queries = [{**query, "state": {"$in": sorted(UNDER_WAY)}} for query in one_of("_id", keys)]
        return sum([await journal.count_documents(query) for query in queries])

    async def _end_sends(self, found: Found) -> None:
        """Cancel the sends that wait, erase the person from those that have ended, and leave those at Meta."""
        journal, token = schema.SEND_JOURNAL, secrets.token_hex(16)
        cancelled = changes.send_cancelled(token, self._now)
        await self._update(journal, found.journal, cancelled, {"state": {"$in": sorted(WAITING)}})
        await self._never_send(schema.SEND_PARKED, found.parked)
        await self._never_send(schema.SEND_SCHEDULED, found.scheduled)
        ended = {"state": {"$nin": sorted(UNDER_WAY | WAITING)}, ERASED_AT: {"$exists": False}}
        await self._update(journal, found.journal, changes.send_erased(token), ended)

    async def _never_send(self, waiting: Collection, requests: Mapping[str, str]) -> None:
        """Remove waiting requests (by their ids), after the journal says that they are cancelled."""
        journal = self._database[schema.SEND_JOURNAL.name]
        entries = {_journal_id(key): chatbot for key, chatbot in requests.items()}
        if entries:
            await journal.bulk_write([self._entry(key, chatbot) for key, chatbot in entries.items()], ordered=False)
        busy: set[str] = set()
        for query in one_of("_id", entries):
            found = journal.find({**query, "state": {"$in": sorted(UNDER_WAY)}}, {"_id": 1})
            busy.update([entry["_id"] async for entry in found])
        await self._remove(waiting, [key for key in requests if _journal_id(key) not in busy])

    def _entry(self, key: str, chatbot: str) -> UpdateOne:
        fields = changes.never_sent(key, chatbot, secrets.token_hex(16), self._now)
        return UpdateOne({"_id": fields.pop("_id")}, {"$setOnInsert": fields}, upsert=True)

    async def _update(
        self, collection: Collection, keys: Keys[str], pipeline: Pipeline, only: Query | None = None
    ) -> None:
        async for query in self._paced(collection, keys):
            done = await self._database[collection.name].update_many({**query, **(only or {})}, pipeline)
            self.counts[collection.name] += done.modified_count

    async def _remove(self, collection: Collection, keys: Keys[str]) -> None:
        async for query in self._paced(collection, keys):
            done = await self._database[collection.name].delete_many(query)
            self.counts[collection.name] += done.deleted_count

    async def _paced(self, collection: Collection, keys: Keys[str]) -> AsyncIterator[Query]:
        """Queries for the documents with these ids, some hundreds each, with a rest after each but the last."""
        queries = one_of("_id", keys)
        for number, query in enumerate(queries, 1):
            began = time.monotonic()
            yield query
            if number < len(queries):
                await asyncio.sleep(pause(time.monotonic() - began, _SHARE))
                done = len(keys) * number // len(queries)
                self._progress.tell(f"{collection.name}: {done:,} of {len(keys):,} documents changed")


async def unknown_collections(database: Database) -> list[str]:
    """Names of collections that this command does not know."""
    declared = {collection.name for collection in schema.ALL}
    there = await database.list_collection_names()
    return sorted(name for name in there if name not in declared and not name.startswith("system."))


def _journal_id(key: str) -> str:
    """The journal id of a waiting send. The key of a replay ends with `/` and its number."""
    return key.partition("/")[0]
