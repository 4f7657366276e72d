"""Pages of a listing: each query begins where the page before has ended, and reads what it returns.

MongoDB walks an index from a position only when the query says so as one range. "After this position" is several ranges
(the same time and a lower id, an earlier time, no time), so they are asked for one after the other, until the page is
full. Over several chatbots the index has the order for each of them, and MongoDB merges them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from common.mongo import Document, or_unavailable
from conversation.read_api.order import Order, Position, rank


@dataclass(frozen=True, slots=True)
class Page:
    """Some documents; `end` is the position of the last of them, None on the last page."""

    items: Sequence[Document]
    end: Position | None


def _every(document: Document) -> bool:  # noqa: ARG001  # whatever it is
    return True


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed: documents of any of `queries`, in `order`. One that is not `shown` is passed over.

    The queries have no document in common. Raises `Unavailable` when MongoDB is.
    """

    collection: Any
    queries: Sequence[Document]
    order: Order
    shown: Callable[[Document], bool] = _every

    async def page(self, after: Position | None, limit: int) -> Page:
        """The next documents behind a position, and at most `limit` of them."""
        items: list[Document] = []
        with or_unavailable():
            while len(items) <= limit:
                count = limit + 1 - len(items)
                documents = await self._behind(after, count)
                items += filter(self.shown, documents)
                if len(documents) < count:
                    return Page(items, None)
                after = self.order.position(documents[-1])
        return Page(items[:limit], self.order.position(items[limit - 1]))

    async def _behind(self, after: Position | None, count: int) -> list[Document]:
        found: list[Document] = []
        for ranged in self.order.ranges(after):
            if len(found) < count:
                found += await self._of_range(ranged, count - len(found))
        return found

    async def _of_range(self, ranged: Document, count: int) -> list[Document]:
        if len(self.queries) == 1:
            return await self._first(self.queries[0], ranged, count)
        found = [d for query in self.queries for d in await self._first(query, ranged, count, self.order.fields())]
        found.sort(key=lambda document: rank(self.order.position(document)), reverse=True)
        ids = [document["_id"] for document in found[:count]]
        whole = {document["_id"]: document async for document in self.collection.find({"_id": {"$in": ids}})}
        if len(whole) < len(ids):  # one has been removed since: otherwise the page would look like the last one
            return await self._of_range(ranged, count)
        return [whole[id_] for id_ in ids]

    async def _first(
        self, query: Document, ranged: Document, count: int, fields: Document | None = None
    ) -> list[Document]:
        found = self.collection.find({"$and": [query, ranged]}, fields).sort(self.order.sort(ranged)).limit(count)
        return [document async for document in found]
