"""Finds a person in MongoDB: the ids of all documents that contain them. Changes nothing."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from common.contracts.journal import ERASED_AT
from common.mongo import Database, schema
from common.mongo.schema import Collection
from wa.erase.person import Person, is_group
from wa.erase.scope import Query, Scope, Tenant, one_of
from wa.erase.sweep import Say, pages

Document = dict[str, Any]


@dataclass(slots=True)
class Found:
    """The ids of the documents. `groups` (conversations) and `participated` (messages) are not the person's own.

    `parked` and `scheduled` have the chatbot of each request, `messages` when each was created.
    """

    scope: Scope
    conversations: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    messages: dict[str, datetime | None] = field(default_factory=dict)
    participated: set[str] = field(default_factory=set)
    wamids: set[str] = field(default_factory=set)
    webhook_events: set[str] = field(default_factory=set)
    usage: set[str] = field(default_factory=set)
    journal: set[str] = field(default_factory=set)
    parked: dict[str, str] = field(default_factory=dict)
    scheduled: dict[str, str] = field(default_factory=dict)

    def counts(self) -> Counter[str]:
        """How many documents of each collection."""
        return Counter(
            {
                schema.CONVERSATIONS.name: len(self.conversations | self.groups),
                schema.MESSAGES.name: len(self.messages.keys() | self.participated),
                schema.WEBHOOK_EVENTS.name: len(self.webhook_events),
                schema.USAGE_LOGS.name: len(self.usage),
                schema.SEND_JOURNAL.name: len(self.journal),
                schema.SEND_PARKED.name: len(self.parked),
                schema.SEND_SCHEDULED.name: len(self.scheduled),
            }
        )

    def take(self, message: Document) -> None:
        """One of the person's messages."""
        self.messages[message["_id"]] = message.get("createdAt")
        self.wamids.update([message["wamid"]] if "wamid" in message else [], message.get("otherWamids", ()))


class Finder:
    """Raises the driver's errors. How far it is goes to `say`."""

    def __init__(self, database: Database, say: Say) -> None:
        self._database = database
        self._say = say

    async def tenant(self, chatbot: str) -> Tenant | None:
        """The chatbot with its numbers, those it had before too; None when nothing is known of it."""
        account = await self._database[schema.ACCOUNTS.name].find_one({"_id": chatbot}, {"phoneNumberId": 1})
        found = await self._database[schema.CONVERSATIONS.name].distinct("phoneNumberId", {"chatbotId": chatbot})
        numbers = frozenset([*found, *([account["phoneNumberId"]] if account else [])])
        return Tenant(chatbot, numbers) if numbers else None

    async def find(self, person: Person, tenant: Tenant | None) -> Found:
        """Everything about the person, under all names that they turn out to have."""
        found = await self._known_as(Found(Scope(person, tenant)))
        await self._messages(found)
        found.usage = await self._ids(
            schema.USAGE_LOGS, found.scope.usage(found.conversations, found.messages, found.wamids)
        )
        found.journal = await self._ids(schema.SEND_JOURNAL, [found.scope.journal()])
        for query in one_of("_id", found.messages):
            entries = self._database[schema.SEND_JOURNAL.name].find({**query, ERASED_AT: {"$exists": False}}, _ID)
            found.journal.update([entry["_id"] async for entry in entries])
        found.parked = {
            one["_id"]: one["group"]
            async for one in self._swept(schema.SEND_PARKED, [found.scope.parked()], {"group": 1})
        }
        found.scheduled = {key: chatbot async for key, chatbot in self._scheduled(found.scope)}
        return found

    async def _known_as(self, found: Found) -> Found:
        """The person's conversations; each may tell another name, and that another conversation."""
        while True:
            query = found.scope.conversations(found.conversations)
            documents = [document async for document in self._swept(schema.CONVERSATIONS, [query])]
            groups = {document["_id"] for document in documents if is_group(document)}
            scope = Scope(found.scope.person.with_names_of(documents), found.scope.tenant)
            wider = Found(scope, {document["_id"] for document in documents} - groups, groups)
            if wider == found:
                return found
            found = wider

    async def _messages(self, found: Found) -> None:
        """Find the person's messages and webhook events; each may lead to further messages."""
        messages, fields = self._database[schema.MESSAGES.name], {"wamid": 1, "otherWamids": 1, "createdAt": 1}
        for query in one_of("conversationId", found.conversations):
            async for message in messages.find(query, fields):
                found.take(message)
        async for message in self._swept(schema.MESSAGES, [found.scope.messages()], fields):
            found.take(message)
        found.participated = await self._ids(schema.MESSAGES, [found.scope.participants()]) - found.messages.keys()
        queries, named = found.scope.webhook_events(found.wamids), set()
        async for entry in self._swept(schema.WEBHOOK_EVENTS, queries, {"wamid": 1}):
            found.webhook_events.add(entry["_id"])
            named.update([entry["wamid"]] if "wamid" in entry else [])
        # A message that was erased before has its wamid again if a status came since.
        for query in one_of("wamid", named - found.wamids):
            async for message in messages.find(query, fields):
                found.take(message)

    async def _scheduled(self, scope: Scope) -> AsyncIterator[tuple[str, str]]:
        """Each with its chatbot. The whole collection is read, because requests are stored there as bytes."""
        async for document in self._swept(schema.SEND_SCHEDULED, [{}], {"value": 1}):
            request = _request(document["value"])
            if scope.is_scheduled(request):
                yield document["_id"], request["chatbotId"]

    async def _ids(self, collection: Collection, queries: Iterable[Query]) -> set[str]:
        return {document["_id"] async for document in self._swept(collection, queries, _ID)}

    async def _swept(
        self, collection: Collection, queries: Iterable[Query], fields: dict[str, int] | None = None
    ) -> AsyncIterator[Document]:
        """The documents that match any of the queries; one that matches several comes several times."""
        wanted = list(queries)
        if not wanted:
            return
        async for page in pages(self._database, collection.name, self._say):
            for query in wanted:
                async for document in self._database[collection.name].find({"$and": [page, query]}, fields):
                    yield document


_ID = {"_id": 1}


def _request(value: bytes) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
