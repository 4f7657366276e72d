"""Finds a person in MongoDB: the ids of all documents that contain them. Changes nothing."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from common.contracts.journal import ERASED_AT
from common.mongo import Database, schema
from common.mongo.schema import Collection
from wa.connection import Say
from wa.erase.person import Person, is_group
from wa.erase.scope import Query, Scope, Tenant, one_of
from wa.erase.sweep import matching

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
        found = await self._known_as(await self._by_index(Found(Scope(person, tenant))))
        await self._messages(found)
        await self._depending(found)
        found.journal |= await self._ids(schema.SEND_JOURNAL, [found.scope.journal()])
        parked = self._swept(schema.SEND_PARKED, found.scope.parked(), {"group": 1})
        found.parked = {one["_id"]: one["group"] async for one in parked}
        found.scheduled = {key: chatbot async for key, chatbot in self._scheduled(found.scope)}
        return found

    async def later(self, found: Found) -> Found | None:
        """What has become the person's since: messages that came, and conversations that were merged; None: nothing."""
        known = await self._known_as(Found(found.scope, set(found.conversations), set(found.groups)))
        fresh = await self.left(Found(known.scope, known.conversations | found.conversations))
        if fresh is None and known.conversations <= found.conversations:
            return None
        found.conversations |= known.conversations
        return fresh or Found(known.scope)

    async def left(self, found: Found) -> Found | None:
        """The messages that are in the person's conversations, with what depends on them; None: there are none."""
        fresh = Found(found.scope, found.conversations)
        await self._in_conversations(fresh)
        if not fresh.messages:
            return None
        await self._webhook_events(fresh)
        await self._depending(fresh)
        return fresh

    async def _by_index(self, found: Found) -> Found:
        """The person's conversations with the numbers that accounts have: most are found so, at once."""
        accounts = self._database[schema.ACCOUNTS.name].find({}, {"phoneNumberId": 1})
        numbers = {account["phoneNumberId"] async for account in accounts}
        numbers |= found.scope.tenant.numbers if found.scope.tenant else set()
        conversations = self._database[schema.CONVERSATIONS.name]
        while True:
            wider = _wider(found, await conversations.find(found.scope.conversations_of(numbers)).to_list())
            if wider == found:
                return found
            found = wider

    async def _known_as(self, found: Found) -> Found:
        """The person's conversations; each may tell another name, and that another conversation."""
        while True:
            query = found.scope.conversations(found.conversations)
            wider = _wider(found, [document async for document in self._swept(schema.CONVERSATIONS, query)])
            if wider == found:
                return found
            found = wider

    async def _messages(self, found: Found) -> None:
        """Find the person's messages and webhook events; each may lead to further messages."""
        await self._in_conversations(found)
        messages = self._database[schema.MESSAGES.name]
        own = found.scope.messages()
        either = {"$or": [own, found.scope.participants()]}
        others = await self._ids(schema.MESSAGES, [either]) - found.messages.keys()
        for query in one_of("_id", others):
            async for message in messages.find({"$and": [query, own]}, _OF_MESSAGE):
                found.take(message)
        found.participated = others - found.messages.keys()
        for query in one_of("wamid", await self._webhook_events(found) - found.wamids):
            # A message that was erased before has its wamid again if a status came since.
            async for message in messages.find(query, _OF_MESSAGE):
                found.take(message)

    async def _in_conversations(self, found: Found) -> None:
        for query in one_of("conversationId", found.conversations):
            async for message in self._database[schema.MESSAGES.name].find(query, _OF_MESSAGE):
                found.take(message)

    async def _webhook_events(self, found: Found) -> set[str]:
        """Find the webhook events; the wamids that they name."""
        named: set[str] = set()
        for query in found.scope.webhook_events(found.wamids):
            async for entry in self._swept(schema.WEBHOOK_EVENTS, query, {"wamid": 1}):
                found.webhook_events.add(entry["_id"])
                named.update([entry["wamid"]] if "wamid" in entry else [])
        return named

    async def _depending(self, found: Found) -> None:
        """Find the usage and the sends of the messages."""
        found.usage = await self._ids(schema.USAGE_LOGS, found.scope.usage(found.conversations, found.wamids))
        for query in found.scope.sent_usage(found.messages):
            found.usage.update(
                [entry["_id"] async for entry in self._database[schema.USAGE_LOGS.name].find(query, _ID)]
            )
        for query in one_of("_id", found.messages):
            entries = self._database[schema.SEND_JOURNAL.name].find({**query, ERASED_AT: {"$exists": False}}, _ID)
            found.journal.update([entry["_id"] async for entry in entries])

    async def _scheduled(self, scope: Scope) -> AsyncIterator[tuple[str, str]]:
        """Each with its chatbot. The whole collection is read, because requests are stored there as bytes."""
        async for document in self._swept(schema.SEND_SCHEDULED, {}, {"value": 1}):
            request = _request(document["value"])
            if scope.is_scheduled(request):
                yield document["_id"], request["chatbotId"]

    async def _ids(self, collection: Collection, queries: Iterable[Query]) -> set[str]:
        return {document["_id"] for query in queries async for document in self._swept(collection, query, _ID)}

    def _swept(
        self, collection: Collection, query: Query, fields: dict[str, int] | None = None
    ) -> AsyncIterator[Document]:
        """The documents that match, from the whole collection."""
        return matching(self._database, collection.name, query, fields, self._say)


def _wider(found: Found, documents: Sequence[Document]) -> Found:
    """What these conversations say of the person."""
    groups = {document["_id"] for document in documents if is_group(document)}
    scope = Scope(found.scope.person.with_names_of(documents), found.scope.tenant)
    return Found(scope, {document["_id"] for document in documents} - groups, groups)


_ID = {"_id": 1}
_OF_MESSAGE = {"wamid": 1, "otherWamids": 1, "createdAt": 1}


def _request(value: bytes) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
