"""Parked sends in MongoDB: `send_parked`, the records that wait longer than seconds, in the order of their lanes.

A document is written before the offset of its record is finished, and removed after the results of its send have been
committed. A crash in between leaves a document whose send has ended; the next load finds that in the journal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from common.mongo import BulkWriteError, Database, DeleteOne, Document, ReplaceOne, UpdateOne, or_unavailable, schema
from common.mongo.compare_and_set import only_duplicates
from common.mongo.indexes import ensure_indexes
from sender.waiting.stored_record import StoredRecord, from_document, to_document

COLLECTION: Final = schema.SEND_PARKED.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """One parked send. Times are in Unix seconds.

    - `token` is new each time that it is parked. `order` is its place in the lane.
    - `in_doubt`: the session that loads it has to find out what became of it.
    - `backlog`: it waits for nothing but memory.
    - `named` is the name that it was sent to, where its lane has another name of the same person.
    - `wait` is what its producer was told: until when it waits, and why.
    """

    id: str
    token: str
    record: StoredRecord
    lane: str
    group: str
    order: int
    due: float
    in_doubt: bool
    strikes: int
    backlog: bool = False
    named: str | None = None
    wait: tuple[float, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A lane with parked sends: when its first send is due, whether that is in doubt, and the order of its last."""

    lane: str
    group: str
    due: float
    in_doubt: bool
    last: int


class ParkStore:
    """Every method raises `Unavailable` when MongoDB does not answer, and is harmless to repeat."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._collection = database[COLLECTION]

    async def ensure_indexes(self) -> None:
        """Create what is missing."""
        await ensure_indexes(self._database, schema.SEND_PARKED)

    async def park(self, sends: Sequence[Parked]) -> Sequence[None]:
        """Store these sends. One that is stored already is replaced, unless it has an earlier place.

        So a request that its producer repeats keeps its place.
        """
        with or_unavailable():
            try:
                await self._collection.insert_many(map(_document, sends), ordered=False)
            except BulkWriteError as error:
                only_duplicates(error)
                await self._replace([sends[failed["index"]] for failed in error.details["writeErrors"]])
        return [None] * len(sends)

    async def _replace(self, sends: Sequence[Parked]) -> None:
        writes = [
            ReplaceOne({"_id": send.id, "order": {"$gte": send.order}}, _document(send), upsert=True) for send in sends
        ]
        try:
            await self._collection.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            only_duplicates(error)  # these keep their earlier place

    async def postpone(self, sends: Sequence[tuple[str, str, float, bool]]) -> Sequence[None]:
        """Change (id, token, due, in doubt) of stored sends that wait again."""
        with or_unavailable():
            await self._collection.bulk_write(
                [
                    UpdateOne(
                        {"_id": key, "token": token}, {"$set": {"due": due, "inDoubt": in_doubt, "backlog": False}}
                    )
                    for key, token, due, in_doubt in sends
                ],
                ordered=False,
            )
        return [None] * len(sends)

    async def remove(self, sends: Sequence[tuple[str, str]]) -> Sequence[None]:
        """Remove these (id, token), unless they were parked again."""
        with or_unavailable():
            await self._collection.bulk_write(
                [DeleteOne({"_id": key, "token": token}) for key, token in sends], ordered=False
            )
        return [None] * len(sends)

    async def wait_of(self, send: str) -> tuple[float, str | None] | None:
        """When a parked send is tried next, in Unix seconds, and why it waits; None when it is not parked."""
        with or_unavailable():
            document = await self._collection.find_one({"_id": send}, {"due": 1, "until": 1, "reason": 1})
        return _wait(document) if document is not None else None

    async def has_beyond(self, partitions: int) -> bool:
        """Whether sends are parked in partitions that do not exist, where there are so many of them."""
        with or_unavailable():
            return await self._collection.find_one({"partition": {"$gte": partitions}}, {"_id": 1}) is not None

    async def first(self, partition: int, lane: str, after: int, limit: int) -> list[Parked]:
        """The first sends of a lane whose order is above `after`, in order."""
        query = {"partition": partition, "lane": lane, "order": {"$gt": after}}
        with or_unavailable():
            cursor = self._collection.find(query).sort("order", 1).limit(limit)
            return [_parked(document) async for document in cursor]

    async def next_of_backlog(self, partition: int, group: str, after: int, upto: int, limit: int) -> list[Parked]:
        """The next sends of a tenant's backlog whose order is above `after` and at most `upto`, in order."""
        query = {"partition": partition, "group": group, "backlog": True, "order": {"$gt": after, "$lte": upto}}
        with or_unavailable():
            cursor = self._collection.find(query).sort("order", 1).limit(limit)
            return [_parked(document) async for document in cursor]

    async def backlogs(self, partition: int) -> list[tuple[str, int]]:
        """Every tenant of a partition that has a backlog, and the order of its last send."""
        pipeline: list[Document] = [
            {"$match": {"partition": partition, "backlog": True}},
            {"$group": {"_id": "$group", "last": {"$max": "$order"}}},
        ]
        with or_unavailable():
            cursor = await self._collection.aggregate(pipeline, allowDiskUse=True)
            return [(row["_id"], row["last"]) async for row in cursor]

    async def named(self, partition: int) -> list[tuple[str, str, str]]:
        """(name, lane, tenant) of every name whose sends are parked in the lane of another name."""
        pipeline: list[Document] = [
            {"$match": {"partition": partition, "named": {"$gt": ""}}},  # not `$exists`, which needs the documents
            {"$group": {"_id": {"named": "$named", "lane": "$lane", "group": "$group"}}},
        ]
        with or_unavailable():
            cursor = await self._collection.aggregate(pipeline, allowDiskUse=True)
            return [(row["_id"]["named"], row["_id"]["lane"], row["_id"]["group"]) async for row in cursor]

    async def waiting(self, partition: int) -> list[Waiting]:
        """Every lane of a partition whose parked sends wait for more than memory."""
        pipeline: list[Document] = [
            {"$match": {"partition": partition, "backlog": False}},
            {"$sort": {"lane": 1, "order": 1}},
            {"$project": {"_id": 0, "lane": 1, "order": 1, "group": 1, "due": 1, "inDoubt": 1}},
            {
                "$group": {
                    "_id": "$lane",
                    "group": {"$first": "$group"},
                    "due": {"$first": "$due"},
                    "inDoubt": {"$first": "$inDoubt"},
                    "last": {"$last": "$order"},
                }
            },
        ]
        with or_unavailable():
            cursor = await self._collection.aggregate(pipeline, allowDiskUse=True)
            return [Waiting(row["_id"], row["group"], row["due"], row["inDoubt"], row["last"]) async for row in cursor]


def _document(send: Parked) -> Document:
    return {
        "_id": send.id,
        "token": send.token,
        **to_document(send.record),
        "lane": send.lane,
        "group": send.group,
        "order": send.order,
        "due": send.due,
        "inDoubt": send.in_doubt,
        "strikes": send.strikes,
        "backlog": send.backlog,
        **({"named": send.named} if send.named is not None else {}),
        **({"until": send.wait[0], "reason": send.wait[1]} if send.wait is not None else {}),
    }


def _wait(document: Document) -> tuple[float, str | None]:
    return max(document["due"], document.get("until", 0.0)), document.get("reason")


def _parked(document: Document) -> Parked:
    return Parked(
        id=document["_id"],
        token=document["token"],
        record=from_document(document),
        lane=document["lane"],
        group=document["group"],
        order=document["order"],
        due=document["due"],
        in_doubt=document["inDoubt"],
        strikes=document["strikes"],
        backlog=document.get("backlog", False),
        named=document.get("named"),
        wait=(document["until"], document["reason"]) if "until" in document else None,
    )
