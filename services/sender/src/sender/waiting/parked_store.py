"""Parked sends in MongoDB: `send_parked`, the records that wait longer than seconds, in the order of their lanes.

A document is the Kafka record as it was read, so that loading it is reading it again. It is written before the
record's offset is finished and removed after what the send led to has been committed; a crash in between leaves a
document whose send the journal knows to have ended, which the next load finds out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from common.mongo import BulkWriteError, Database, DeleteOne, Document, ReplaceOne, UpdateOne, or_unavailable, schema
from common.mongo.compare_and_set import only_duplicates
from common.mongo.indexes import ensure_indexes

COLLECTION: Final = schema.SEND_PARKED.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """One parked send. `token` is new each time it is parked; times are in Unix seconds, `order` as in the lane.

    `topic`, `offset`, `headers` and `value` are the record's. `in_doubt`: somebody has to ask what became of it.
    `backlog`: it waits for nothing but room. `named` is the name that it was sent to, where its lane has another name
    of the same person. `wait` is what was told of it: until when it waits, and why.
    """

    id: str
    token: str
    partition: int
    lane: str
    group: str
    order: int
    due: float
    in_doubt: bool
    strikes: int
    topic: str
    offset: int
    headers: Mapping[str, str]
    value: bytes
    backlog: bool = False
    named: str | None = None
    wait: tuple[float, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A lane with parked sends: when its first one is due, and whether that one is in doubt; the order of its last."""

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
        """Put these in; one that is there already is replaced, unless it stands before.

        A request that its producer repeats must not lose its place.
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
            only_duplicates(error)  # those that stand before

    async def postpone(self, sends: Sequence[tuple[str, str, float, bool]]) -> Sequence[None]:
        """(id, token, due, in doubt) of sends that are there and wait again."""
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
        """Take these (id, token) out, unless they were parked anew."""
        with or_unavailable():
            await self._collection.bulk_write(
                [DeleteOne({"_id": key, "token": token}) for key, token in sends], ordered=False
            )
        return [None] * len(sends)

    async def wait_of(self, send: str) -> tuple[float, str | None] | None:
        """When a parked send is looked at next, in Unix seconds, and why it waits; None when it is not parked."""
        with or_unavailable():
            document = await self._collection.find_one({"_id": send}, {"due": 1, "until": 1, "reason": 1})
        return _wait(document) if document is not None else None

    async def first(self, partition: int, lane: str, after: int, limit: int) -> list[Parked]:
        """The first sends of a lane whose order is above `after`, in order."""
        query = {"partition": partition, "lane": lane, "order": {"$gt": after}}
        with or_unavailable():
            cursor = self._collection.find(query).sort("order", 1).limit(limit)
            return [_parked(document) async for document in cursor]

    async def next_of_backlog(self, partition: int, group: str, after: int, upto: int, limit: int) -> list[Parked]:
        """The next sends of a group's backlog, those whose order is above `after` and at most `upto`, in order."""
        query = {"partition": partition, "group": group, "backlog": True, "order": {"$gt": after, "$lte": upto}}
        with or_unavailable():
            cursor = self._collection.find(query).sort("order", 1).limit(limit)
            return [_parked(document) async for document in cursor]

    async def backlogs(self, partition: int) -> list[tuple[str, int]]:
        """Every group of a partition that has a backlog, and the order of its last send."""
        pipeline: list[Document] = [
            {"$match": {"partition": partition, "backlog": True}},
            {"$group": {"_id": "$group", "last": {"$max": "$order"}}},
        ]
        with or_unavailable():
            cursor = await self._collection.aggregate(pipeline, allowDiskUse=True)
            return [(row["_id"], row["last"]) async for row in cursor]

    async def named(self, partition: int) -> list[tuple[str, str, str]]:
        """(name, lane, group) of every name whose sends are parked in the lane of another name."""
        pipeline: list[Document] = [
            {"$match": {"partition": partition, "named": {"$exists": True}}},
            {"$group": {"_id": {"named": "$named", "lane": "$lane", "group": "$group"}}},
        ]
        with or_unavailable():
            cursor = await self._collection.aggregate(pipeline, allowDiskUse=True)
            return [(row["_id"]["named"], row["_id"]["lane"], row["_id"]["group"]) async for row in cursor]

    async def waiting(self, partition: int) -> list[Waiting]:
        """Every lane of a partition whose parked sends wait for more than room."""
        pipeline: list[Document] = [
            {"$match": {"partition": partition, "backlog": False}},
            {"$sort": {"partition": 1, "lane": 1, "order": 1}},
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
        "partition": send.partition,
        "lane": send.lane,
        "group": send.group,
        "order": send.order,
        "due": send.due,
        "inDoubt": send.in_doubt,
        "strikes": send.strikes,
        "topic": send.topic,
        "offset": send.offset,
        # Pairs, for anybody may name a header as MongoDB does not allow a field to be named.
        "headers": [[name, value] for name, value in send.headers.items()],
        "value": send.value,
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
        partition=document["partition"],
        lane=document["lane"],
        group=document["group"],
        order=document["order"],
        due=document["due"],
        in_doubt=document["inDoubt"],
        strikes=document["strikes"],
        topic=document["topic"],
        offset=document["offset"],
        headers={name: value for name, value in document["headers"]},  # noqa: C416  # pairs are lists here
        value=bytes(document["value"]),
        backlog=document.get("backlog", False),
        named=document.get("named"),
        wait=(document["until"], document["reason"]) if "until" in document else None,
    )
