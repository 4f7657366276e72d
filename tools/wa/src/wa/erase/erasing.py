"""Finding a person in MongoDB and taking them out. Every step may be repeated, and a run that was cut off be run again.

What names the others goes last: first what hangs on the messages, then the messages, then the conversations.
"""

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from common.mongo import Database, UpdateOne, collections
from common.mongo.collections import Collection
from wa.erase import changes
from wa.erase.changes import UNDER_WAY, WAITING, Pipeline
from wa.erase.person import Person, is_group
from wa.erase.scope import Query, Scope, Tenant
from wa.erase.sweep import Say, pages

_REQUESTS_AT_ONCE: Final = 1_000


class Eraser:
    """One run. `dry` only counts. Raises the driver's errors; then it may be run again."""

    def __init__(self, database: Database, say: Say, *, dry: bool, now: datetime) -> None:
        self._database = database
        self._say = say
        self._dry = dry
        self._now = now
        self.counts: Counter[str] = Counter()
        self.under_way = 0

    async def tenant(self, chatbot: str) -> Tenant | None:
        """The chatbot with its numbers, those it had before too; None when nothing is known of it."""
        account = await self._database[collections.ACCOUNTS.name].find_one({"_id": chatbot}, {"phoneNumberId": 1})
        found = await self._database[collections.CONVERSATIONS.name].distinct("phoneNumberId", {"chatbotId": chatbot})
        numbers = frozenset([*found, *([account["phoneNumberId"]] if account else [])])
        return Tenant(chatbot, numbers) if numbers else None

    async def find(self, person: Person, tenant: Tenant | None) -> Scope:
        """Everything that the person's documents are found by."""
        scope = await self._known_as(person, tenant)
        fields = {"wamid": 1, "otherWamids": 1}
        # Only what Meta named in the log leads back to a message that was erased before and has had a status since.
        named = scope.of_webhook_events()[:1]
        async for entry in self._each(collections.WEBHOOK_EVENTS, named, fields):
            scope.wamids.update([entry["wamid"]] if "wamid" in entry else [])
        async for message in self._each(collections.MESSAGES, scope.of_messages(), fields):
            scope.messages.add(message["_id"])
            scope.wamids.update(
                [message[name] for name in ("wamid",) if name in message], message.get("otherWamids", ())
            )
        return scope

    async def _known_as(self, person: Person, tenant: Tenant | None) -> Scope:
        """The person's conversations; each may tell another name, and that another conversation."""
        scope = Scope(person, tenant)
        while True:
            found = [document async for document in self._each(collections.CONVERSATIONS, [scope.of_conversations()])]
            groups = {document["_id"] for document in found if is_group(document)}
            wider = Scope(
                scope.person.with_names_of(found), tenant, {document["_id"] for document in found} - groups, groups
            )
            if wider == scope:
                return scope
            scope = wider

    async def erase(self, scope: Scope) -> None:
        """Take the person out; `counts` says how many documents of each collection that concerned."""
        await self._end_sends(scope)
        await self._update(collections.WEBHOOK_EVENTS, scope.of_webhook_events(), changes.webhook_event_erased())
        await self._update(collections.USAGE_LOGS, scope.of_usage(), changes.usage_erased())
        names = sorted(scope.person.users | scope.person.phones)
        await self._update(collections.MESSAGES, scope.of_messages(), changes.message_erased())
        await self._update(collections.MESSAGES, [scope.of_participants()], changes.participant_erased(names))
        groups = [{"_id": {"$in": sorted(scope.groups)}}]
        await self._update(collections.CONVERSATIONS, groups if scope.groups else [], changes.group_erased())
        await self._remove(collections.CONVERSATIONS, sorted(scope.conversations))

    async def _end_sends(self, scope: Scope) -> None:
        """Have what waits never sent, and take the person out of what has ended. What Meta may have is left."""
        journal, token = collections.SEND_JOURNAL, secrets.token_hex(16)
        waits = [{"$and": [query, {"state": {"$in": WAITING}}]} for query in scope.of_journal()]
        await self._update(journal, waits, changes.send_cancelled(token, self._now))
        await self._never_send(collections.SEND_PARKED, self._parked(scope))
        await self._never_send(collections.SEND_SCHEDULED, self._scheduled(scope))
        open_ = {"state": {"$in": UNDER_WAY}}
        ended = [{"$and": [query, {"state": {"$nin": [*UNDER_WAY, *WAITING]}}]} for query in scope.of_journal()]
        await self._update(journal, ended, changes.send_erased(token))
        left = [{"$and": [query, open_]} for query in scope.of_journal()]
        self.under_way = len({entry["_id"] async for entry in self._each(journal, left, {"_id": 1})})

    async def _never_send(self, waiting: Collection, found: AsyncIterator[tuple[str, str]]) -> None:
        """Remove requests (their id, and their chatbot's) that wait, once the journal says that they are cancelled."""
        batch: dict[str, str] = {}
        async for key, chatbot in found:
            batch[key] = chatbot
            if len(batch) == _REQUESTS_AT_ONCE:
                await self._never_send_these(waiting, batch)
                batch = {}
        if batch:
            await self._never_send_these(waiting, batch)

    async def _never_send_these(self, waiting: Collection, batch: dict[str, str]) -> None:
        journal = self._database[collections.SEND_JOURNAL.name]
        entries = {key.partition("/")[0]: chatbot for key, chatbot in batch.items()}  # a replay has its number behind
        if not self._dry:
            await journal.bulk_write([self._entry(key, chatbot) for key, chatbot in entries.items()], ordered=False)
        query = {"_id": {"$in": list(entries)}, "state": {"$in": UNDER_WAY}}
        busy = {entry["_id"] async for entry in journal.find(query, {"_id": 1})}
        await self._remove(waiting, [key for key in batch if key.partition("/")[0] not in busy])

    def _entry(self, key: str, chatbot: str) -> UpdateOne:
        fields = changes.never_sent(chatbot, secrets.token_hex(16), self._now)
        return UpdateOne({"_id": key}, {"$setOnInsert": fields}, upsert=True)

    async def _parked(self, scope: Scope) -> AsyncIterator[tuple[str, str]]:
        async for document in self._each(collections.SEND_PARKED, [scope.of_parked()], {"group": 1}):
            yield document["_id"], document["group"]

    async def _scheduled(self, scope: Scope) -> AsyncIterator[tuple[str, str]]:
        """The whole collection is read: a request stands there as its bytes."""
        async for document in self._each(collections.SEND_SCHEDULED, [{}], {"value": 1}):
            request = _request(document["value"])
            if scope.is_scheduled(request):
                yield document["_id"], request["chatbotId"]

    async def _each(
        self, collection: Collection, queries: Iterable[Query], fields: dict[str, int] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """The documents that match any of the queries; one that matches several comes several times."""
        wanted = list(queries)
        if not wanted:
            return
        async for page in pages(self._database, collection.name, self._say):
            for query in wanted:
                async for document in self._database[collection.name].find({"$and": [page, query]}, fields):
                    yield document

    async def _update(self, collection: Collection, queries: list[Query], pipeline: Pipeline) -> None:
        if self._dry:
            found = {document["_id"] async for document in self._each(collection, queries, {"_id": 1})}
            self.counts[collection.name] += len(found)
        elif queries:
            async for page in pages(self._database, collection.name, self._say):
                for query in queries:
                    both = {"$and": [page, query]}
                    done = await self._database[collection.name].update_many(both, pipeline)
                    self.counts[collection.name] += done.modified_count

    async def _remove(self, collection: Collection, keys: list[str]) -> None:
        query = {"_id": {"$in": keys}}
        if self._dry:
            self.counts[collection.name] += await self._database[collection.name].count_documents(query)
        else:
            done = await self._database[collection.name].delete_many(query)
            self.counts[collection.name] += done.deleted_count


async def unknown_collections(database: Database) -> list[str]:
    """Collections of which this command does not know what is in them."""
    declared = {collection.name for collection in collections.ALL}
    there = await database.list_collection_names()
    return sorted(name for name in there if name not in declared and not name.startswith("system."))


def _request(value: bytes) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
