"""Where sends are parked: by partition and chatbot, from the index of lanes alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from common.mongo import Database, Document, schema
from wa.partitions.moving import home_of

_LANE: Final = {"partition": 1, "lane": 1, "order": 1}


@dataclass(frozen=True, slots=True)
class Parked:
    """How many sends of a chatbot are parked at a partition, and the place of the last on the topic."""

    partition: int
    chatbot_id: str
    count: int
    last: int


@dataclass(frozen=True, slots=True)
class Astray:
    """How many parked sends stand where they do not belong.

    `gone`: at partitions that do not exist, so that no process sends them. `moved`: at another partition than later
    ones of their chatbot. `older`: at places beyond the end of the topic, because they are of a Kafka before this one.
    """

    gone: int = 0
    moved: int = 0
    older: int = 0


async def parked_sends(database: Database) -> list[Parked]:
    """All of them. Raises the driver's errors."""
    chatbot = {"$arrayElemAt": [{"$split": ["$lane", "|"]}, 0]}
    stages: list[Document] = [
        {"$sort": _LANE},
        {"$project": {"_id": 0, **_LANE}},
        {
            "$group": {
                "_id": {"partition": "$partition", "chatbot": chatbot},
                "count": {"$sum": 1},
                "last": {"$max": "$order"},
            }
        },
    ]
    found = await database[schema.SEND_PARKED.name].aggregate(stages, allowDiskUse=True)
    return [Parked(one["_id"]["partition"], one["_id"]["chatbot"], one["count"], one["last"]) async for one in found]


async def scheduled_beyond(database: Database, partitions: int) -> int:
    """How many sends are scheduled at partitions that do not exist. Raises the driver's errors."""
    beyond = {"partition": {"$gte": partitions}}
    return int(await database[schema.SEND_SCHEDULED.name].count_documents(beyond))


def older_partitions(parked: Iterable[Parked], ends: Mapping[int, int]) -> frozenset[int]:
    """The partitions with a parked send of a Kafka before this one; `ends` is where each ends. Pure."""
    return frozenset(one.partition for one in parked if one.last >= ends.get(one.partition, 0))


def astray(parked: Iterable[Parked], partitions: int, ends: Mapping[int, int]) -> Astray:
    """How many stand where they do not belong; each counts once. Pure."""
    found = list(parked)
    older = older_partitions(found, ends)
    gone = sum(one.count for one in found if one.partition >= partitions)
    there = [one for one in found if one.partition < partitions]
    moved = [one for one in there if home_of(one.chatbot_id, partitions) != one.partition]
    still = [one for one in there if one.partition in older and one not in moved]
    return Astray(gone, sum(one.count for one in moved), sum(one.count for one in still))
