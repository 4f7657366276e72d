"""The queries of the read API: newest first, by cursor, limited to the caller's chatbots."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from common.contracts.contacts import contact_of_recipient
from common.contracts.ids import journal_id
from common.errors import NotFound
from common.mongo import Document, or_unavailable
from conversation.batch.documents import aliases_of
from conversation.batch.service_window import TIMES, latest
from conversation.batch.statuses import UNENDED
from conversation.batch.working_set import ABSORBS, PLACE
from conversation.read_api.documents import Documents
from conversation.read_api.listing import Listing, Page
from conversation.read_api.message_filter import MessageFilter
from conversation.read_api.order import Order, Position, groups_of
from conversation.read_api.usage import Days, of_counters, of_log, parted

THREAD: Final = Order("timestamp", PLACE)
_SUMMARY_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Reach:
    """The chatbots whose data may be read; None: all."""

    chatbots: frozenset[str] | None

    def includes(self, chatbot_id: str) -> bool:
        """Whether this chatbot's data may be read."""
        return self.chatbots is None or chatbot_id in self.chatbots

    def query(self, chatbot_id: str | None = None) -> Document:
        """The part of every query that keeps tenants apart."""
        if chatbot_id is not None and (self.chatbots is None or chatbot_id in self.chatbots):
            return {"chatbotId": chatbot_id}
        if chatbot_id is not None:
            return {"chatbotId": {"$in": []}}
        return {} if self.chatbots is None else {"chatbotId": {"$in": sorted(self.chatbots)}}


class ReadQueries:
    """Every method raises `Unavailable` when MongoDB is unavailable."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def conversations(self, reach: Reach, chatbot_id: str | None, after: Position | None, limit: int) -> Page:
        """Conversations, latest activity first."""
        found = self._documents.conversations
        groups = await self._groups(found, reach, chatbot_id)
        listing = Listing(found, groups, Order("lastMessageAt"), lambda document: "mergedInto" not in document)
        return await listing.page(after, limit)

    async def conversation(self, reach: Reach, conversation_id: str) -> Document:
        """One conversation. A merged one leads to the one that it is part of now. Raises `NotFound`."""
        document = await _one(self._documents.conversations, {"_id": conversation_id, **reach.query()}, "conversation")
        merged = document.get("mergedInto")
        return document if merged is None else await self.conversation(reach, merged)

    async def thread(self, reach: Reach, conversation_id: str, after: Position | None, limit: int) -> Page:
        """The messages of a conversation, newest first, by arrival within one second. Raises `NotFound`."""
        conversation = await self.conversation(reach, conversation_id)
        ids = [conversation["_id"], *conversation.get(ABSORBS, ())]  # messages of merged ones that have yet to follow
        query = {"conversationId": {"$in": ids} if len(ids) > 1 else ids[0], **reach.query()}
        return await Listing(self._documents.messages, [query], THREAD).page(after, limit)

    async def message(self, reach: Reach, message_id: str, chatbot_id: str | None) -> Document:
        """One message by our id, by its wamid, or by the producer's `messageId` of a chatbot. Raises `NotFound`."""
        ids = [message_id]
        if chatbot_id is not None:
            ids.append(journal_id(chatbot_id, message_id))
        query = {"$or": [{"_id": {"$in": ids}}, {"wamid": message_id}], **reach.query(chatbot_id)}
        with_chatbot = "" if chatbot_id else "; to find it by the messageId of its send, add `?chatbotId=…`"
        return await _one(self._documents.messages, query, "message", with_chatbot)

    async def have_ended(self, sends: Sequence[str]) -> bool:
        """Whether all of these sends (our ids) are at Meta, or have ended without it."""
        query = {"_id": {"$in": list(sends)}, "deliveryStatus": {"$nin": [None, *UNENDED]}}
        with or_unavailable():
            count: int = await self._documents.messages.count_documents(query)
        return count == len(set(sends))

    async def found(
        self, reach: Reach, chatbot_id: str | None, wanted: MessageFilter, after: Position | None, limit: int
    ) -> Page:
        """Messages in a delivery status; those that entered it last are first."""
        groups = await self._groups(self._documents.messages, reach, chatbot_id, {"deliveryStatus": wanted.status})
        queries = [{**wanted.query(), **group} for group in groups]
        order = Order("statusAt", timeless=wanted.since is None and wanted.until is None)
        return await Listing(self._documents.messages, queries, order).page(after, limit)

    async def webhook_events(self, limit: int, after: Position | None) -> Page:
        """The webhook log, newest first. It has no chatbots, so it is only for keys that reach all of them."""
        order = Order("receivedAt", timeless=False)
        return await Listing(self._documents.webhook_events, [{}], order).page(after, limit)

    async def usage(self, reach: Reach, chatbot_id: str | None, after: Position | None, limit: int) -> Page:
        """The usage log, newest first."""
        groups = await self._groups(self._documents.usage_logs, reach, chatbot_id)
        return await Listing(self._documents.usage_logs, groups, Order("at")).page(after, limit)

    async def usage_groups(self, reach: Reach, chatbot_id: str | None, days: Days) -> list[Document]:
        """The groups of the usage summary, newest day first."""
        chatbots = reach.query(chatbot_id)
        log, counted = parted(days, await self._documents.counted_since())
        of_counted = await self._summed(self._documents.usage_days, of_counters(chatbots, counted)) if counted else []
        return of_counted + (await self._summed(self._documents.usage_logs, of_log(chatbots, log)) if log else [])

    async def _summed(self, collection: Any, stages: Sequence[Document]) -> list[Document]:
        with or_unavailable():
            found = await collection.aggregate(stages, maxTimeMS=_SUMMARY_MS)
            return [group async for group in found]

    async def _groups(
        self, collection: Any, reach: Reach, chatbot_id: str | None, only: Document | None = None
    ) -> list[Document]:
        """Queries that name each chatbot whose documents may be read, because only then an index has the order."""
        if chatbot_id is not None or reach.chatbots is not None:
            mine = reach.chatbots if chatbot_id is None else {chatbot_id} if reach.includes(chatbot_id) else ()
            return groups_of(sorted(mine or ()))
        with or_unavailable():
            chatbots = await collection.distinct("chatbotId", only or {})
        return groups_of([*chatbots, None])  # a document may belong to no account

    async def windows(self, pairs: Sequence[tuple[str, str]]) -> list[Document]:
        """For each business number and recipient (`to`) the known times of `service_window.TIMES`.

        All accounts that have had the number count, because Meta's window belongs to the person and the number.
        The primary is read with majority, so every message whose event is published is included.
        """
        asked = [aliases_of(number, contact_of_recipient(to)) for number, to in pairs]
        query = {"aliases": {"$in": list({alias for aliases in asked for alias in aliases})}}
        with or_unavailable():
            found = self._documents.conversations.find(query, {"aliases": 1, **dict.fromkeys(TIMES, 1)})
            known = [document async for document in found]
        return times_of(asked, known)


def times_of(asked: Sequence[Sequence[str]], conversations: Sequence[Document]) -> list[Document]:
    """For each person, by aliases, the latest times of all conversations with them; an empty document if none."""
    by_alias: dict[str, list[Document]] = {}
    for document in conversations:
        for alias in document["aliases"]:
            by_alias.setdefault(alias, []).append(document)
    return [latest(document for alias in aliases for document in by_alias.get(alias, ())) for aliases in asked]


async def _one(collection: Any, query: Document, what: str, hint: str = "") -> Document:
    with or_unavailable():
        document: Document | None = await collection.find_one(query)
    if document is None:
        raise NotFound(f"this API key reaches no {what} with this id{hint}", code=f"unknown_{what}")
    return document
