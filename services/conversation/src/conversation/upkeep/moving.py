"""Moves the messages of a large conversation to the one that it was merged into, in slices.

A merge is one transaction with its batch, and that has to be short. So a large conversation is only marked: the one
that remains `absorbs` it, and is shown with the messages of both from then on. Here the messages follow, some hundreds
in a transaction. Each transaction also writes the conversation that remains. So it is never at the same time as another
merge of it.
"""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any, Final

from common.mongo import Document, Mongo, OwnedSession, transaction
from common.tasks import pause
from conversation.batch.working_set import ABSORBS
from conversation.store import ConversationStore

log = logging.getLogger(__name__)

SLICE: Final = 500
_SHARE: Final = 0.5
_SECONDS: Final = 10.0
_AT_ONCE: Final = 100
_OWNER: Final = "upkeep/merges"
_MARKED: Final[Document] = {ABSORBS: {"$exists": True}}


class Moving:
    """Raises the driver's errors. A run that is cut off goes on with the next one."""

    def __init__(self, mongo: Mongo, store: ConversationStore) -> None:
        self._mongo = mongo
        self._store = store

    async def needed(self) -> bool:
        """Whether a conversation is marked."""
        return await self._store.conversations.find_one(_MARKED, {"_id": 1}) is not None

    async def run(self) -> None:
        """Move everything that is marked."""
        found = await self._store.conversations.find(_MARKED, {ABSORBS: 1}).limit(_AT_ONCE).to_list()
        async with OwnedSession(self._mongo, _OWNER) as owned:
            for conversation in found:
                for absorbed in conversation[ABSORBS]:
                    await self._move(owned, conversation["_id"], absorbed)

    async def _move(self, owned: OwnedSession, winner: str, absorbed: str) -> None:
        moved, began = 0, time.monotonic()
        while True:
            slice_began = time.monotonic()

            async def work(session: Any) -> int | None:
                return await self._slice(winner, absorbed, session)

            count = await transaction(owned, work, seconds=_SECONDS)
            if count is None:  # it was merged itself meanwhile: the next run finds the one that remains
                return
            moved += count
            if count < SLICE:
                break
            await asyncio.sleep(pause(time.monotonic() - slice_began, _SHARE))
        about = {"messages": moved, "seconds": round(time.monotonic() - began, 1)}
        log.info("the messages of a merged conversation have moved", extra=about)

    async def _slice(self, winner: str, absorbed: str, session: Any) -> int | None:
        """How many messages have moved; fewer than a slice: these were the last. None: not to this one any more."""
        messages, conversations = self._store.messages, self._store.conversations
        ids = [
            document["_id"]
            async for document in messages.find({"conversationId": absorbed}, {"_id": 1}, session=session).limit(SLICE)
        ]
        last = len(ids) < SLICE
        changed: Document = {"$pull": {ABSORBS: absorbed}} if last else {"$set": {"updatedAt": datetime.now(UTC)}}
        done = await conversations.update_one({"_id": winner, ABSORBS: absorbed}, changed, session=session)
        if not done.matched_count:
            return None
        if last:
            await conversations.update_one({"_id": winner, ABSORBS: []}, {"$unset": {ABSORBS: ""}}, session=session)
        if ids:
            # By the ids alone: with the conversation in the query MongoDB may go through all that have yet to follow.
            # What has changed since it was read stops the transaction.
            await messages.update_many({"_id": {"$in": ids}}, {"$set": {"conversationId": winner}}, session=session)
        return len(ids)
