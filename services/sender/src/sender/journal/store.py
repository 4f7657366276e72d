"""The journal in MongoDB: `send_journal`, one document per send."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from common.contracts.contacts import Contact
from common.contracts.journal import (
    ENDED,
    EXPIRE_AT,
    OPTED_OUT_AT,
    OPTED_OUT_LANE,
    Entry,
    State,
    from_document,
    to_document,
)
from common.errors import Unavailable
from common.meta.errors import OPTED_OUT
from common.mongo import schema
from common.mongo.client import Database, Document
from common.mongo.compare_and_set import Swap, find_all, or_unavailable, swap_all
from common.mongo.indexes import ensure_indexes
from sender.journal.transition import Transition
from sender.records.job import lane_of

COLLECTION: Final = schema.SEND_JOURNAL.name


@dataclass(frozen=True, slots=True)
class RecentTimes:
    """When messages went to one recipient, in order, and the contact in Meta's last answer."""

    chatbot_id: str
    to: str
    times: Sequence[datetime]
    contact: Contact | None = None


class JournalStore:
    """Reads and compare-and-sets of entries. Every method raises `Unavailable` when MongoDB does not answer.

    An entry that has ended is kept for `retention`. For that time its message id is not sent again.
    """

    def __init__(self, database: Database, *, retention: timedelta) -> None:
        self._database = database
        self._collection = database[COLLECTION]
        self._retention = retention

    async def ensure_indexes(self) -> None:
        """Create what is missing, and keep entries for the set time from now on; harmless to repeat."""
        await ensure_indexes(self._database, schema.SEND_JOURNAL, keep=self._retention)

    async def write(self, transitions: Sequence[Transition]) -> Sequence[Entry]:
        """Try all transitions and return each entry as it is now. A transition took place if the entry has its token.

        Harmless to repeat, because a transition that took place finds its own token.
        """
        swaps = [Swap(self._document(transition.entry), transition.expected) for transition in transitions]
        documents = await swap_all(self._collection, swaps)
        return [
            transition.entry if document is swap.document else _standing(transition, document)
            for transition, swap, document in zip(transitions, swaps, documents, strict=True)
        ]

    async def load(self, ids: Sequence[str]) -> Sequence[Entry | None]:
        """The entry of each journal id, or None."""
        documents = await find_all(self._collection, ids)
        return [from_document(document) if document is not None else None for document in documents]

    async def load_one(self, journal_id: str) -> Entry | None:
        """The entry of this journal id, or None."""
        (entry,) = await self.load([journal_id])
        return entry

    async def unsettled_among(self, ids: Sequence[str], failed: Sequence[str] = ()) -> list[Entry]:
        """The entries that a status can change: those under way and those that failed.

        `failed` are the ids of which a status reports a failure; these can change in any state.
        """
        settled = sorted(str(state) for state in ENDED - {State.FAILED})
        open_to = [{"state": {"$nin": settled}}, {"failedAt": {"$exists": True}}, {"_id": {"$in": list(failed)}}]
        query = {"_id": {"$in": list(ids)}, "$or": open_to}
        with or_unavailable():
            return [from_document(document) async for document in self._collection.find(query)]

    async def ended_among(self, ids: Sequence[str]) -> list[str]:
        """The ids of those entries that have ended."""
        query = {"_id": {"$in": list(ids)}, "state": {"$in": sorted(ENDED)}}
        with or_unavailable():
            return [document["_id"] async for document in self._collection.find(query, {"_id": 1})]

    async def sent_since(self, moment: datetime) -> list[RecentTimes]:
        """The sends since then that have ended, by recipient: for sessions that take numbers over."""
        pipeline: list[Document] = [
            # All three are conditions of the index of ends, or answered by its few entries.
            {"$match": {"at": {"$gt": moment}, EXPIRE_AT: {"$exists": True}, "wamid": {"$exists": True}}},
            {"$sort": {"at": 1}},
            {
                "$group": {
                    "_id": {"chatbotId": "$chatbotId", "to": "$to"},
                    "times": {"$push": "$at"},
                    "contact": {"$last": "$contact"},
                }
            },
        ]
        with or_unavailable():
            cursor = await self._collection.aggregate(pipeline, allowDiskUse=True)
            return [
                RecentTimes(row["_id"]["chatbotId"], row["_id"]["to"], row["times"], _read(row.get("contact"), Contact))
                async for row in cursor
            ]

    def _document(self, entry: Entry) -> Document:
        expire_at = entry.at + self._retention if entry.ended else None
        return to_document(entry, **_opt_out(entry), expireAt=expire_at)


def _standing(transition: Transition, document: Document | None) -> Entry:
    if document is not None:
        return from_document(document)
    if transition.expected is None:
        raise Unavailable("an entry was removed while it was read", code="mongo_unavailable")
    return transition.entry  # an operator removed the entry of a send under way: the send goes on


def _opt_out(entry: Entry) -> dict[str, object]:
    """The fields of an opt-out, when Meta refused a template because of one, at once or later."""
    refused = entry.error if entry.state is State.FAILED else entry.failure
    if not entry.template or refused is None or refused.code != OPTED_OUT:
        return {}
    return {OPTED_OUT_LANE: lane_of(entry.chatbot_id, entry.to), OPTED_OUT_AT: entry.failed_at or entry.at}


def _read(value: Any, kind: Any) -> Any:
    return None if value is None else msgspec.convert(value, kind)
