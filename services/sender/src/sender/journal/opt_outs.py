"""Opt-outs from marketing, stored in the journal for all sender processes, on the send that Meta refused (131050).

The entry of a template has `template`, the name that `sender.delivery.scopes` gives it. The entry of a refused one has
`optedOut`, the lane of its person, and `optedOutAt`. So an opt-out is deleted when its entry expires, or when its
person is erased.
"""

from collections.abc import Sequence
from datetime import datetime

from common.contracts.journal import ERASED_AT, OPTED_OUT_AT, OPTED_OUT_LANE
from common.contracts.messages import StatusData
from common.mongo import Database, Document, or_unavailable, schema
from sender.records.job import lane_of


class OptOutStore:
    """Every method raises `Unavailable` when MongoDB does not answer, and is harmless to repeat."""

    def __init__(self, database: Database) -> None:
        self._collection = database[schema.SEND_JOURNAL.name]

    async def note(self, status: StatusData, now: datetime) -> None:
        """Note that the person of this send has opted out. The status must come from the send's own number (P8)."""
        query: Document = {
            "_id": status.journal_id,
            "phoneNumberId": status.phone_number_id,
            "template": {"$exists": True},
            ERASED_AT: {"$exists": False},
            OPTED_OUT_LANE: {"$exists": False},
        }
        with or_unavailable():
            entry = await self._collection.find_one(query, {"chatbotId": 1, "to": 1})
            if entry is None or status.chatbot_id not in (None, entry["chatbotId"]):
                return
            fields = {OPTED_OUT_LANE: lane_of(entry["chatbotId"], entry["to"]), OPTED_OUT_AT: now}
            # An erasure of the person may have come in between.
            await self._collection.update_one({**query, "to": entry["to"]}, {"$set": fields})

    async def of(self, lanes: Sequence[str]) -> Sequence[datetime | None]:
        """When the person of each lane opted out last; None when that is not known."""
        last: dict[str, datetime] = {}
        fields = {OPTED_OUT_LANE: 1, OPTED_OUT_AT: 1, "_id": 0}
        with or_unavailable():
            async for entry in self._collection.find({OPTED_OUT_LANE: {"$in": list(set(lanes))}}, fields):
                lane, at = entry[OPTED_OUT_LANE], entry[OPTED_OUT_AT]
                last[lane] = max(at, last.get(lane, at))
        return [last.get(lane) for lane in lanes]

    async def marketing(self, since: datetime) -> list[tuple[str, str]]:
        """The (chatbot, template) pairs that were refused because of an opt-out since then."""
        pipeline: list[Document] = [
            {"$match": {OPTED_OUT_LANE: {"$exists": True}, OPTED_OUT_AT: {"$gt": since}}},
            {"$group": {"_id": {"chatbotId": "$chatbotId", "template": "$template"}}},
        ]
        with or_unavailable():
            cursor = await self._collection.aggregate(pipeline)
            return [(row["_id"]["chatbotId"], row["_id"]["template"]) async for row in cursor]
