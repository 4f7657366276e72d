"""The changes that indexes need: what they do, what stops them, and how far a build is."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from common.mongo import Database, Document, schema
from common.mongo.index_plan import Action, Change, changes
from common.mongo.indexes import make_change, present_indexes
from common.mongo.schema import Collection, Index
from wa.connection import PROGRESS_SECONDS, Say

_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Planned:
    """One change. `duplicates` are the ids of documents that have the same keys of a unique index, together."""

    collection: Collection
    change: Change
    documents: int
    duplicates: Sequence[Sequence[str]] = ()

    def line(self) -> str:
        """What it does, for a terminal."""
        name = f"{self.collection.name}.{self.change.name}"
        about = f" (about {self.documents:,} documents)"
        match self.change.action:
            case Action.CREATE:
                return f"create {name}{about}"
            case Action.REPLACE:
                return f"build {name}, then drop {self.collection.name}.{self.change.old}{about}"
            case Action.KEEP:
                return f"change how long {self.collection.name} keeps documents"
            case Action.DROP:
                return f"drop {name}, which this version does not use"

    def complaints(self) -> list[str]:
        """What stops it. Ids are shown and keys are not, because keys name people."""
        lines = [f"  the same {self._keys()}: {', '.join(ids)}" for ids in self.duplicates]
        return [*lines, "  remove or change all but one of each, and run this again"] if lines else []

    def _keys(self) -> str:
        return " and ".join(name for name, _ in self.change.index.keys) if self.change.index else ""


async def planned_changes(database: Database) -> list[Planned]:
    """The changes of every collection. Raises the driver's errors."""
    planned = []
    for collection in schema.ALL:
        for change in changes(collection, await present_indexes(database, collection)):
            place = database[collection.name]
            unique = change.index is not None and change.index.unique
            found = await _duplicates(place, change.index) if unique and change.index else []
            planned.append(Planned(collection, change, await place.estimated_document_count(), found))
    return planned


async def with_progress(database: Database, collection: Collection, change: Change, tell: Say) -> None:
    """Make a change, and tell every two seconds how far it is. Raises the driver's errors."""
    making = asyncio.create_task(make_change(database, collection, change))
    try:
        while not making.done():
            await asyncio.wait([making], timeout=PROGRESS_SECONDS)
            if not making.done() and (told := await _progress(database, collection.name)):
                tell(f"  {told}")
    finally:
        making.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await making


async def _progress(database: Database, name: str) -> str | None:
    """What MongoDB says of a build. A user without the privilege for that sees nothing."""
    where = {"ns": f"{database.name}.{name}", "command.createIndexes": name, "progress": {"$exists": True}}
    try:
        found = await database.client.admin.aggregate([{"$currentOp": {}}, {"$match": where}])
        async for operation in found:
            progress = operation["progress"]
            return f"{progress['done']:,} of {progress['total']:,}"
    except Exception:  # noqa: BLE001  # it is told for comfort alone
        return None
    return None


async def _duplicates(place: Any, index: Index) -> list[list[str]]:
    """Some groups of documents that have the same keys. An index over a list has each of its values."""
    names = [name for name, _ in index.keys]
    unwound: list[Document] = [{"$unwind": {"path": f"${names[0]}", "preserveNullAndEmptyArrays": True}}]
    stages: list[Document] = [
        {"$match": dict(index.only or {})},
        {"$project": dict.fromkeys(names, 1)},
        *unwound,
        {"$group": {"_id": {name: f"${name}" for name in names}, "ids": {"$addToSet": "$_id"}}},
        {"$match": {"ids.1": {"$exists": True}}},
        {"$limit": _SHOWN},
    ]
    found = await place.aggregate(stages, allowDiskUse=True)
    return [sorted(str(id_) for id_ in group["ids"])[:_SHOWN] async for group in found]
