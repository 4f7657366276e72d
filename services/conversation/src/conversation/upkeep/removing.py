"""Removes what has been kept long enough, in slices, by the indexes that the reads have.

A slice is some hundreds of documents, found by an index and removed by their ids. No transaction is held, and a run
that is cut off goes on with the next one. Removing is harmless to repeat, so two processes that do it at once are only
slower.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any, Final

from common.mongo import Document, or_unavailable
from common.tasks import pause
from conversation.batch.statuses import QUEUED
from conversation.batch.working_set import ABSORBS
from conversation.store import ConversationStore
from conversation.upkeep.rules import CutoffsOf, by_cutoff, may_go

SLICE: Final = 500
"""Documents that are removed at once, and conversations that are looked at."""

_SHARE: Final = 0.1
"""Of the time: MongoDB has as much for the messages of today."""

_CONVERSATION_FIELDS: Final = {"chatbotId": 1, "lastMessageAt": 1, "createdAt": 1, ABSORBS: 1}

Removed = Callable[[str, int], None]
"""Is told of each slice: the collection, and how many documents."""


class Removing:
    """One run. Raises `Unavailable`."""

    def __init__(self, store: ConversationStore, cutoffs_of: CutoffsOf, removed: Removed) -> None:
        self._store = store
        self._cutoffs_of = cutoffs_of
        self._removed = removed

    async def run(self) -> None:
        """Go through everything once."""
        async for conversations in self._pages():
            for cutoff, ids in by_cutoff(conversations, self._cutoffs_of).items():
                await self._messages({"$in": ids}, cutoff)
            await self._conversations([document for document in conversations if may_go(document, self._cutoffs_of)])
        if (unknown := self._cutoffs_of(None).messages) is not None:
            await self._messages(None, unknown)  # of statuses whose conversation is not known
        await self._usage()

    async def _pages(self) -> AsyncIterator[Sequence[Document]]:
        """All conversations, some hundreds at a time."""
        after: Document = {}
        while True:
            with or_unavailable():
                found = self._store.conversations.find(after, _CONVERSATION_FIELDS).sort("_id", 1).limit(SLICE)
                page = await found.to_list()
            if page:
                yield page
            if len(page) < SLICE:
                return
            after = {"_id": {"$gt": page[-1]["_id"]}}

    async def _messages(self, conversation: Any, cutoff: datetime) -> None:
        """What has yet to be sent stays, and what may come again: its document is what it is recognised by."""
        query = {
            "conversationId": conversation,
            "timestamp": {"$lt": cutoff},
            "deliveryStatus": {"$ne": QUEUED},
            "createdAt": {"$not": {"$gte": self._cutoffs_of(None).repeated}},
        }
        await self._remove(self._store.messages, query)

    async def _conversations(self, old: Sequence[Document]) -> None:
        """Those that have no message any more. One that a message has come to meanwhile has another time."""
        if not old:
            return
        ids = [document["_id"] for document in old]
        with or_unavailable():
            kept = set(await self._store.messages.distinct("conversationId", {"conversationId": {"$in": ids}}))
            for document in old:
                if document["_id"] not in kept:
                    same = {"_id": document["_id"], "lastMessageAt": document.get("lastMessageAt")}
                    done = await self._store.conversations.delete_one(same)
                    self._removed(self._store.conversations.name, done.deleted_count)

    async def _usage(self) -> None:
        with or_unavailable():
            chatbots = {*await self._store.usage_logs.distinct("chatbotId"), None}
        for chatbot in chatbots:
            if (cutoff := self._cutoffs_of(chatbot).usage) is not None:
                await self._remove(self._store.usage_logs, {"chatbotId": chatbot, "at": {"$lt": cutoff}})

    async def _remove(self, collection: Any, query: Document) -> None:
        while True:
            began = time.monotonic()
            with or_unavailable():
                found = await collection.find(query, {"_id": 1}).limit(SLICE).to_list()
                if found:
                    done = await collection.delete_many({"_id": {"$in": [document["_id"] for document in found]}})
                    self._removed(collection.name, done.deleted_count)
            if len(found) < SLICE:
                return
            await asyncio.sleep(pause(time.monotonic() - began, _SHARE))
