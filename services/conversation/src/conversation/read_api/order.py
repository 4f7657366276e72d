"""The order of a listing, newest first, and what is behind a position in it, as ranges of an index. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from conversation.batch.documents import Document

CHATBOTS_AT_ONCE: Final = 100
"""MongoDB merges at most 200 ranges (`internalQueryMaxScansToExplode`); with more chatbots it would sort everything."""

_DESCENDING: Final = -1
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


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
        return [(name, _DESCENDING) for name in (*self._names(), "_id") if name not in fixed]

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


def rank(position: Position) -> tuple[datetime, int, str]:
    """Sorts positions as MongoDB does; descending when reversed."""
    return position.time or _NEVER, -1 if position.place is None else position.place, position.id


def groups_of(chatbots: Sequence[str | None]) -> list[Document]:
    """Queries that together name these chatbots. What belongs to no chatbot (None) is a query of its own."""
    named = iter([chatbot for chatbot in chatbots if chatbot is not None])
    groups: list[Document] = [{"chatbotId": None}] if None in chatbots else []
    while some := list(islice(named, CHATBOTS_AT_ONCE)):
        groups.append({"chatbotId": some[0] if len(some) == 1 else {"$in": some}})
    return groups
