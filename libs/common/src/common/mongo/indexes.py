"""Creating the declared indexes; at start-up in the background, for as long as it takes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

import pymongo
from pymongo.errors import OperationFailure

from common.errors import Conflict, Unavailable
from common.mongo.client import Database
from common.mongo.compare_and_set import or_unavailable
from common.mongo.index_plan import Action, Change, Present, Standing, changes, standings
from common.mongo.schema import Collection
from common.tasks import cancel

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_SECONDS_BETWEEN_LINES: Final = 60.0
_BUILD_SECONDS: Final = 86_400.0
_NO_COLLECTION: Final = 26  # NamespaceNotFound
_COLLECTION_IS_THERE: Final = 48  # NamespaceExists
_NO_INDEX: Final = 27  # IndexNotFound
_NOT_CREATED: Final = frozenset({67, 85, 86, 11000})
"""CannotCreateIndex, IndexOptionsConflict, IndexKeySpecsConflict, DuplicateKey: trying again does not help."""

_REMEDY: Final = "`wa indexes plan` says why, and `wa indexes apply` makes the changes while the services run"


class IndexesDiffer(Conflict):
    """An index cannot be created as it is declared. `unique`: one of them carries a promise."""

    code = "indexes_differ"

    def __init__(self, names: Sequence[str], *, unique: bool) -> None:
        super().__init__(f"indexes are not as declared: {', '.join(names)}; {_REMEDY}")
        self.names = names
        self.unique = unique


async def ensure_indexes(database: Database, collection: Collection, *, keep: timedelta | None = None) -> list[str]:
    """Create the declared indexes that are missing (the answer has their names), and drop those of earlier versions.

    A collection that is missing is created first, with its options. Harmless to repeat. Raises `Unavailable`, and
    `IndexesDiffer` when all others are there: an index whose definition has changed is not replaced here, because that
    may take hours.

    `keep` is the owner's setting of how long documents stay, in place of the declared time: then an index that says
    otherwise is changed. Without it the time of an index that is there is left as it is.
    """
    made: list[str] = []
    wrong: list[str] = []
    with or_unavailable():
        present = await present_indexes(database, collection)
        if not present:
            await _create(database, collection)
        wanted = changes(collection, present, keep)
        for change in wanted:
            if change.action is Action.REPLACE or not await _made(database, collection, change):
                wrong.append(change.old or change.name)
            elif change.action is Action.CREATE:
                made.append(change.name)
    if wrong:
        unique = any(index.unique for index in collection.indexes if index.name in wrong)
        raise IndexesDiffer([f"{collection.name}.{name}" for name in wrong], unique=unique)
    return made


async def ensure_each(*ensuring: Callable[[], Awaitable[object]]) -> None:
    """Call several, one after the other. Raises `Unavailable`, and one `IndexesDiffer` for all that differ."""
    differ: list[IndexesDiffer] = []
    for one in ensuring:
        try:
            await one()
        except IndexesDiffer as error:
            differ.append(error)
    if differ:
        raise IndexesDiffer([name for error in differ for name in error.names], unique=any(e.unique for e in differ))


async def make_change(database: Database, collection: Collection, change: Change) -> None:
    """Make one change of a plan. Raises the driver's errors. A replacement builds first, and drops then."""
    place = database[collection.name]
    if change.action in (Action.CREATE, Action.REPLACE) and change.index is not None:
        with pymongo.timeout(_BUILD_SECONDS):  # instead of the client's limit for an answer
            await place.create_index(list(change.index.keys), name=change.name, **change.index.options())
    if change.action is Action.KEEP and change.index is not None:
        seconds = change.index.options()["expireAfterSeconds"]
        wanted = {"name": change.name, "expireAfterSeconds": seconds}
        await database.command({"collMod": collection.name, "index": wanted})
        log.info("changed the retention of documents", extra={"collection": collection.name, "seconds": seconds})
    dropped = change.name if change.action is Action.DROP else change.old
    if dropped is not None:
        await _drop(database, collection, dropped)


async def compare_indexes(database: Database, collection: Collection) -> dict[str, Standing]:
    """Every index of the collection, declared or there, by name. Raises `Unavailable`."""
    with or_unavailable():
        return standings(collection, await present_indexes(database, collection))


async def present_indexes(database: Database, collection: Collection) -> Present:
    """The indexes that are there, by name. Raises the driver's errors."""
    try:
        return await database[collection.name].index_information()
    except OperationFailure as error:
        if error.code == _NO_COLLECTION:
            return {}
        raise


async def _create(database: Database, collection: Collection) -> None:
    """Create a collection as it is to be stored. Where a server refuses that, its own way of storing is as good."""
    try:
        await database.create_collection(collection.name, check_exists=False, **collection.storage())
    except OperationFailure as error:
        if error.code != _COLLECTION_IS_THERE:  # another process was faster
            log.warning(
                "MongoDB does not take the storage options of a collection, which works without them",
                extra={"collection": collection.name, "code": error.code},
            )


async def _made(database: Database, collection: Collection, change: Change) -> bool:
    try:
        await make_change(database, collection, change)
    except OperationFailure as error:
        if error.code not in _NOT_CREATED:
            raise
        return False
    return True


async def _drop(database: Database, collection: Collection, name: str) -> None:
    try:
        await database[collection.name].drop_index(name)
    except OperationFailure as error:
        if error.code != _NO_INDEX:  # another process was faster
            raise
    log.info("an index of an earlier version is dropped", extra={"collection": collection.name, "index": name})


class Indexes:
    """Runs `ensure` until it succeeds. The unique indexes carry promises, so a service is not ready before.

    An index that differs and is not unique makes reads slow, and no more: then the log says so once, and the service
    works. `tries` counts the times that it was not done.
    """

    def __init__(self, ensure: Callable[[], Awaitable[None]]) -> None:
        self.tries = 0
        self._ensure = ensure
        self._task: asyncio.Task[None] | None = None
        self._done = asyncio.Event()
        self._told_at = float("-inf")

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
        while not await self._try():
            self.tries += 1
            await asyncio.sleep(_RETRY_SECONDS)
        self._done.set()

    async def _try(self) -> bool:
        """Whether the service may work now."""
        try:
            await self._ensure()
        except IndexesDiffer as error:
            self._tell(error)
            return not error.unique
        except Unavailable as error:
            log.warning("MongoDB is away, trying again", extra={"error": error.message})
            return False
        return True

    def _tell(self, error: IndexesDiffer) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= _SECONDS_BETWEEN_LINES:
            self._told_at = now
            log.error("indexes are not as declared", extra={"error": error.message, "works": not error.unique})
