"""Goes through a collection, some thousands of documents at a time: in the order of its ids, or in that of the disk."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from common.mongo import Database, Document
from common.tasks import pause
from wa.connection import Progress, Say

PAGE: Final = 20_000
_SHARE: Final = 0.8
"""Of the time. The rest is for the services."""

_MILESTONE: Final = re.compile("00$")
"""One in 256 ids ends so, because ids are hashes or random."""

_BATCH: Final = 100
"""MongoDB answers after so many documents, so after some 25,000 milestones apart, or sooner where many match."""


async def pages(database: Database, name: str, say: Say, size: int = PAGE) -> AsyncIterator[Document]:
    """Conditions on `_id` that together cover the whole collection. Progress goes to `say` every two seconds.

    A query without an index then scans one page at a time, and holds no cursor for hours.
    """
    collection = database[name]
    total, seen, progress = await collection.estimated_document_count(), 0, Progress(say)
    bounds: dict[str, Any] = {}
    while True:
        after = {"_id": bounds} if bounds else {}
        ends = await collection.find(after, {"_id": 1}).sort("_id", 1).skip(size - 1).limit(1).to_list()
        if not ends:
            yield after
            return
        yield {"_id": {**bounds, "$lte": ends[0]["_id"]}}
        bounds, seen = {"$gt": ends[0]["_id"]}, seen + size
        progress.tell(f"{name}: {seen:,} of about {total:,} documents")


async def matching(
    database: Database, name: str, query: Mapping[str, Any], fields: Mapping[str, int] | None, say: Say
) -> AsyncIterator[Document]:
    """Every document that matches, each once, in the order in which they lie on the disk.

    That is several times faster than by an index, whose order is another one. So that MongoDB answers often although
    hardly any document matches, it is asked for some more, as milestones, and rests after each answer.
    """
    collection = database[name]
    total, passed, progress = await collection.estimated_document_count(), 0, Progress(say)
    either = {"$or": [{"_id": {"$regex": _MILESTONE.pattern}}, query]}
    wanted = None if fields is None else {**fields, "_id": 1}
    cursor = collection.find(either, wanted).hint([("$natural", 1)]).batch_size(_BATCH)
    async with cursor:
        while cursor.alive:
            began = time.monotonic()
            found = await cursor.to_list(_BATCH)
            milestones = [document["_id"] for document in found if _is_milestone(document)]
            passed += len(milestones)
            for document in found:
                if not _is_milestone(document):
                    yield document
            if milestones:  # of these it is not known yet whether they match
                async for document in collection.find({"$and": [{"_id": {"$in": milestones}}, query]}, wanted):
                    yield document
            await asyncio.sleep(pause(time.monotonic() - began, _SHARE))
            progress.tell(f"{name}: about {min(passed * 256, total):,} of {total:,} documents")


def _is_milestone(document: Document) -> bool:
    return isinstance(document["_id"], str) and _MILESTONE.search(document["_id"]) is not None
