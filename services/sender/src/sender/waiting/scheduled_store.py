"""Scheduled sends in MongoDB: `send_scheduled`, the records whose `sendAt` is in the future.

A document is written before the offset of its record is finished, and removed after the record that replaces it on the
topic has been committed. A crash in between leaves a document whose send is in the journal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from common.mongo import BulkWriteError, Database, DeleteOne, Document, ReplaceOne, UpdateOne, or_unavailable, schema
from common.mongo.compare_and_set import only_duplicates
from common.mongo.indexes import ensure_indexes
from sender.waiting.stored_record import StoredRecord, from_document, to_document

COLLECTION: Final = schema.SEND_SCHEDULED.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """One scheduled send. `id` is its journal id; `due` is in Unix seconds.

    - `apart` is (chatbot id, template or kind) when it waits because Meta refuses that template or kind.
    - `again`: the send was stored before, and a document that is left of that is out of date.
    """

    id: str
    token: str
    record: StoredRecord
    due: float
    apart: tuple[str, str] | None = None
    again: bool = False


class ScheduleStore:
    """Every method raises `Unavailable` when MongoDB does not answer, and is harmless to repeat."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._collection = database[COLLECTION]

    async def ensure_indexes(self) -> None:
        """Create what is missing."""
        await ensure_indexes(self._database, schema.SEND_SCHEDULED)

    async def put(self, sends: Sequence[Scheduled]) -> Sequence[None]:
        """Store these sends. Of two with one id the earlier request stays, unless the later one comes `again`."""
        writes = [
            ReplaceOne(
                {"_id": send.id} if send.again else {"_id": send.id, "offset": {"$gte": send.record.offset}},
                _document(send),
                upsert=True,
            )
            for send in sends
        ]
        with or_unavailable():
            try:
                await self._collection.bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                only_duplicates(error)
        return [None] * len(sends)

    async def due_by(self, partition: int, moment: float, limit: int) -> list[Scheduled]:
        """The first sends of a partition that are due by then."""
        query = {"partition": partition, "due": {"$lte": moment}}
        with or_unavailable():
            cursor = self._collection.find(query).sort("due", 1).limit(limit)
            return [_scheduled(document) async for document in cursor]

    async def beyond(self, partitions: int, limit: int) -> list[Scheduled]:
        """Some sends of partitions that do not exist, where there are so many of them."""
        with or_unavailable():
            cursor = self._collection.find({"partition": {"$gte": partitions}}).sort("partition", 1).limit(limit)
            return [_scheduled(document) async for document in cursor]

    async def move(self, sends: Sequence[Scheduled]) -> None:
        """Give these the partition and the headers that their records say, unless they were stored again."""
        writes = [
            UpdateOne({"_id": send.id, "token": send.token}, {"$set": to_document(send.record)}) for send in sends
        ]
        with or_unavailable():
            await self._collection.bulk_write(writes, ordered=False)

    async def remove(self, sends: Sequence[tuple[str, str]]) -> Sequence[None]:
        """Remove these (id, token), unless they were stored again."""
        with or_unavailable():
            await self._collection.bulk_write(
                [DeleteOne({"_id": key, "token": token}) for key, token in sends], ordered=False
            )
        return [None] * len(sends)

    async def hasten(self, send: str) -> None:
        """Make a send due now, because it was cancelled."""
        with or_unavailable():
            await self._collection.update_one({"_id": send}, {"$set": {"due": 0.0}})

    async def hasten_apart(self, partition: int, chatbot: str, subject: str | None) -> None:
        """Make sends due now that wait because Meta refused this template or kind (None: any) of a chatbot."""
        query = {"partition": partition, "apart.chatbot": chatbot}
        with or_unavailable():
            await self._collection.update_many(
                query | ({"apart.subject": subject} if subject is not None else {}), {"$set": {"due": 0.0}}
            )

    async def due_of(self, send: str) -> float | None:
        """When a send is due; None when it is not scheduled."""
        with or_unavailable():
            document = await self._collection.find_one({"_id": send}, {"due": 1})
        return document["due"] if document is not None else None


def _document(send: Scheduled) -> Document:
    return {
        "_id": send.id,
        "token": send.token,
        "due": send.due,
        **to_document(send.record),
        **({"apart": {"chatbot": send.apart[0], "subject": send.apart[1]}} if send.apart is not None else {}),
    }


def _scheduled(document: Document) -> Scheduled:
    return Scheduled(
        id=document["_id"],
        token=document["token"],
        record=from_document(document),
        due=document["due"],
    )
