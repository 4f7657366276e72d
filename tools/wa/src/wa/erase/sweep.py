"""Goes through a collection in the order of its ids, some thousands of documents at a time."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from common.mongo import Database, Document

Say = Callable[[str], None]

PAGE: Final = 20_000
_PROGRESS_SECONDS: Final = 2.0


async def pages(database: Database, name: str, say: Say, size: int = PAGE) -> AsyncIterator[Document]:
    """Conditions on `_id` that together cover the whole collection. Progress goes to `say` every two seconds.

    A query without an index then scans one page at a time, and holds no cursor for hours.
    """
    collection = database[name]
    total, seen, told = await collection.estimated_document_count(), 0, time.monotonic()
    bounds: dict[str, Any] = {}
    while True:
        after = {"_id": bounds} if bounds else {}
        ends = await collection.find(after, {"_id": 1}).sort("_id", 1).skip(size - 1).limit(1).to_list()
        if not ends:
            yield after
            return
        yield {"_id": {**bounds, "$lte": ends[0]["_id"]}}
        bounds, seen = {"$gt": ends[0]["_id"]}, seen + size
        if time.monotonic() - told > _PROGRESS_SECONDS:
            told = time.monotonic()
            say(f"{name}: {seen:,} of about {total:,} documents")
