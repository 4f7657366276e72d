"""Creating the declared indexes; at start-up in the background, for as long as it takes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from pymongo.errors import OperationFailure

from common.errors import Unavailable
from common.mongo.client import Database
from common.mongo.compare_and_set import or_unavailable
from common.mongo.schema import Collection, Index
from common.tasks import cancel

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_OTHER_OPTIONS: Final = 85  # IndexOptionsConflict
_NO_COLLECTION: Final = 26  # NamespaceNotFound
_NO_INDEX: Final = 27  # IndexNotFound
_TOLD: Final = ("unique", "sparse", "partialFilterExpression", "expireAfterSeconds")


class Standing(StrEnum):
    """How an index stands beside its declaration."""

    AS_DECLARED = "as declared"
    MISSING = "missing"
    OTHER = "other than declared"
    KEPT_OTHERWISE = "kept for another time than declared"
    UNDECLARED = "not declared"


async def ensure_indexes(database: Database, collection: Collection, *, keep: timedelta | None = None) -> list[str]:
    """Create the declared indexes that are missing (the answer has their names), and drop those of earlier versions.

    Raises `Unavailable`; harmless to repeat.

    `keep` is the owner's setting of how long documents stay, in place of the declared time: then an index that says
    otherwise is changed. Without it the time of an index that is there is left as it is.
    """
    with or_unavailable():
        before = await _present(database, collection)
        for index in collection.indexes:
            lives = index.expire_after is not None
            await _ensure(database, collection, replace(index, expire_after=keep) if lives and keep else index, keep)
        for name in collection.retired:
            await _drop(database, collection, name, before)
    return [index.name for index in collection.indexes if index.name not in before]


async def _ensure(database: Database, collection: Collection, index: Index, keep: timedelta | None) -> None:
    try:
        await database[collection.name].create_index(list(index.keys), name=index.name, **index.options())
    except OperationFailure as error:
        if error.code != _OTHER_OPTIONS or index.expire_after is None:
            raise
        if keep is not None:
            seconds = index.options()["expireAfterSeconds"]
            changed = {"name": index.name, "expireAfterSeconds": seconds}
            await database.command({"collMod": collection.name, "index": changed})
            log.info("changed the retention of documents", extra={"collection": collection.name, "seconds": seconds})


async def _drop(database: Database, collection: Collection, name: str, there: Mapping[str, Any]) -> None:
    if name not in there:
        return
    try:
        await database[collection.name].drop_index(name)
    except OperationFailure as error:
        if error.code != _NO_INDEX:  # another process was faster
            raise
    log.info("an index of an earlier version is dropped", extra={"collection": collection.name, "index": name})


async def compare_indexes(database: Database, collection: Collection) -> dict[str, Standing]:
    """Every index of the collection, declared or there, by name. Raises `Unavailable`."""
    with or_unavailable():
        present = await _present(database, collection)
    declared = {index.name: index for index in collection.indexes}
    unknown = {name: Standing.UNDECLARED for name in present if name not in declared and name != "_id_"}
    return {name: _standing(index, present.get(name)) for name, index in declared.items()} | unknown


def _standing(index: Index, there: Mapping[str, Any] | None) -> Standing:
    if there is None:
        return Standing.MISSING
    told = {name: there[name] for name in _TOLD if name in there}
    wanted = index.options()
    if list(index.keys) == [(name, int(order)) for name, order in there["key"]] and told == wanted:
        return Standing.AS_DECLARED
    if {**told, "expireAfterSeconds": None} == {**wanted, "expireAfterSeconds": None}:
        return Standing.KEPT_OTHERWISE
    return Standing.OTHER


async def _present(database: Database, collection: Collection) -> Mapping[str, Mapping[str, Any]]:
    try:
        return await database[collection.name].index_information()
    except OperationFailure as error:
        if error.code == _NO_COLLECTION:
            return {}
        raise


class Indexes:
    """Runs `ensure` until it succeeds. The unique indexes carry promises, so a service is not ready before.

    `tries` counts the times that MongoDB was away.
    """

    def __init__(self, ensure: Callable[[], Awaitable[None]]) -> None:
        self.tries = 0
        self._ensure = ensure
        self._task: asyncio.Task[None] | None = None
        self._done = asyncio.Event()

    async def start(self) -> None:
        """Begin; returns at once."""
        self._task = asyncio.create_task(self._run(), name="ensure indexes")

    async def stop(self) -> None:
        """Give up, if it is not done."""
        await cancel([self._task])

    async def ready(self) -> bool:
        """Whether the indexes are there."""
        return self._done.is_set()

    async def wait(self) -> None:
        """Return when the indexes are there."""
        await self._done.wait()

    async def _run(self) -> None:
        while not self._done.is_set():
            try:
                await self._ensure()
                self._done.set()
            except Unavailable as error:
                self.tries += 1
                log.warning("MongoDB is away, trying again", extra={"error": error.message})
                await asyncio.sleep(_RETRY_SECONDS)
