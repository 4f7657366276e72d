"""Scheduled sends in MongoDB: `send_scheduled`, the records whose `sendAt` has not come yet.

A document is the Kafka record as it was read. It is written before the record's offset is finished and removed after
the record that takes its place has been committed; a crash in between leaves a document whose send the journal knows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from common.mongo import BulkWriteError, Database, DeleteOne, Document, ReplaceOne, or_unavailable, schema
from common.mongo.compare_and_set import only_duplicates
from common.mongo.indexes import ensure_indexes

COLLECTION: Final = schema.SEND_SCHEDULED.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """One of them. `id` is its journal id, `due` in Unix seconds; the rest is the record's.

    `apart` is (chatbot id, template or kind) of one that waits because Meta refuses that. `again` says that the send
    was here before, and what is left of that is out of date.
    """

    id: str
    token: str
    partition: int
    due: float
    topic: str
    offset: int
    headers: Mapping[str, str]
    value: bytes
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
        """Put these in; of two with one id, the one that was asked for first stays, but for one that comes `again`."""
        writes = [
            ReplaceOne(
                {"_id": send.id} if send.again else {"_id": send.id, "offset": {"$gte": send.offset}},
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

    async def remove(self, sends: Sequence[tuple[str, str]]) -> Sequence[None]:
        """Take these (id, token) out, unless they were put in anew."""
        with or_unavailable():
            await self._collection.bulk_write(
                [DeleteOne({"_id": key, "token": token}) for key, token in sends], ordered=False
            )
        return [None] * len(sends)

    async def hasten(self, send: str) -> None:
        """Have it looked at now: it was cancelled."""
        with or_unavailable():
            await self._collection.update_one({"_id": send}, {"$set": {"due": 0.0}})

    async def hasten_apart(self, partition: int, chatbot: str, subject: str | None) -> None:
        """Have those looked at now that wait because Meta refused a template or kind; None: any of the chatbot's."""
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
        "partition": send.partition,
        "due": send.due,
        "topic": send.topic,
        "offset": send.offset,
        "headers": [[name, value] for name, value in send.headers.items()],
        "value": send.value,
        **({"apart": {"chatbot": send.apart[0], "subject": send.apart[1]}} if send.apart is not None else {}),
    }


def _scheduled(document: Document) -> Scheduled:
    return Scheduled(
        id=document["_id"],
        token=document["token"],
        partition=document["partition"],
        due=document["due"],
        topic=document["topic"],
        offset=document["offset"],
        headers={name: value for name, value in document["headers"]},  # noqa: C416  # pairs are lists here
        value=bytes(document["value"]),
    )
