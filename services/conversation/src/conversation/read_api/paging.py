"""Pages of a listing, newest first: each query begins where the page before has ended, and reads what it returns.

MongoDB walks an index from a position only when the query says so as one range. "After this position" is several ranges
(the same time and a lower id, an earlier time, no time), so they are asked for one after the other, until the page is
full. Over several chatbots the index has the order for each of them, and MongoDB merges them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from common.mongo import DESCENDING, Document, or_unavailable

CHATBOTS_AT_ONCE: Final = 100
"""MongoDB merges at most 200 ranges (`internalQueryMaxScansToExplode`); with more chatbots it would sort everything."""

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page:
    """Some documents; `end` is the position of the last of them, None on the last page."""

    items: Sequence[Document]
    end: "Position | None"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a document stands in a listing. None: it has no time, or no place."""

    time: datetime | None
    place: int | None
    id: str


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a listing: by `time`, those of one time by `place` if the listing has one, then by id.

    It is descending, and documents that lack a time or a place come behind those that have one. An index has to have
    the same fields in the same directions. `timeless` says whether there may be documents without a time.
    """

    time: str
    place: str | None = None
    timeless: bool = True

    def sort(self, ranged: Document) -> list[tuple[str, int]]:
        """The sort of one of `ranges`, without what has one value in it: else MongoDB may sort by itself."""
        fixed = {name for name, wanted in ranged.items() if not isinstance(wanted, dict)}
        return [(name, DESCENDING) for name in (*self._names(), "_id") if name not in fixed]

    def fields(self) -> Document:
        """The projection of what `position` needs. The index alone has it."""
        return dict.fromkeys((*self._names(), "_id"), 1)

    def position(self, document: Document) -> Position:
        """Where this document stands."""
        return Position(document.get(self.time), document.get(self.place) if self.place else None, document["_id"])

    def ranges(self, after: Position | None) -> list[Document]:
        """Everything behind a position (None: everything), as ranges of the index in their order."""
        if after is None:
            return [{}]
        values = dict(zip(self._names(), (after.time, after.place), strict=False))
        found: list[Document] = [{**values, "_id": {"$lt": after.id}}]
        while values:
            name, value = values.popitem()
            if value is not None:
                found.append({**values, name: {"$lt": value}})
            if value is not None and (self.timeless or name != self.time):
                found.append({**values, name: None})
        return found

    def _names(self) -> tuple[str, ...]:
        return (self.time,) if self.place is None else (self.time, self.place)


def _rank(position: Position) -> tuple[datetime, int, str]:
    """Sorts positions as MongoDB does; descending when reversed."""
    return position.time or _NEVER, -1 if position.place is None else position.place, position.id


def groups_of(chatbots: Sequence[str | None]) -> list[Document]:
    """Queries that together name these chatbots. What belongs to no chatbot (None) is a query of its own."""
    named = iter([chatbot for chatbot in chatbots if chatbot is not None])
    groups: list[Document] = [{"chatbotId": None}] if None in chatbots else []
    while some := list(islice(named, CHATBOTS_AT_ONCE)):
        groups.append({"chatbotId": some[0] if len(some) == 1 else {"$in": some}})
    return groups


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
        found.sort(key=lambda document: _rank(self.order.position(document)), reverse=True)
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
