"""`wa migrate`: changes documents that an earlier version stored, while the services run."""

import argparse
import asyncio
import getpass
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from common.kafka.settings import KafkaSettings
from common.mongo import Database, Document, Mongo, MongoSettings, or_unavailable, schema
from common.mongo.migrations import ALL, Migration
from common.settings import read_settings
from wa import options
from wa.erase.sweep import pages

_PAGE: Final = 2_000
_SHARE: Final = 0.25
"""Of the time. The rest is for the services."""

Say = Callable[[str], None]


def register(groups: Any) -> None:
    """Add the group to the command line."""
    verbs = options.add_group(groups, "migrate", "documents of earlier versions: plan, apply", "wa migrate plan")
    plan = options.add_command(
        verbs,
        "plan",
        "count the documents that an earlier version stored and this one would change; it reads the whole collections",
        "wa migrate plan",
        settings="MONGODB_URI, MONGODB_DATABASE",
    )
    plan.set_defaults(run=run_plan)
    apply = options.add_command(
        verbs,
        "apply",
        "change them, slowly and while the services run; it may be ended and run again",
        "wa migrate apply",
        settings="MONGODB_URI, MONGODB_DATABASE",
    )
    apply.add_argument("--only", metavar="NAME", choices=[one.name for one in ALL], help="one of them (default: all)")
    apply.set_defaults(run=run_apply)


async def run_plan(_: argparse.Namespace, __: KafkaSettings) -> int:
    """`wa migrate plan`; the exit code."""
    return await _with_database(_plan)


async def run_apply(arguments: argparse.Namespace, _: KafkaSettings) -> int:
    """`wa migrate apply`; the exit code."""
    wanted = [one for one in ALL if arguments.only in (None, one.name)]
    return await _with_database(lambda database: _apply(database, wanted))


async def count(database: Database, migration: Migration, say: Say) -> int:
    """How many documents it would change. Raises the driver's errors."""
    place = database[migration.collection.name]
    return sum(
        [
            await place.count_documents({"$and": [page, migration.old]})
            async for page in pages(database, migration.collection.name, say)
        ]
    )


async def migrate(
    database: Database, migration: Migration, say: Say, *, page: int = _PAGE, share: float = _SHARE
) -> int:
    """Change the documents, a page at a time, and note it in `stored_forms`. Returns how many.

    Raises the driver's errors; it may be run again.
    """
    place, changed = database[migration.collection.name], 0
    async for part in pages(database, migration.collection.name, say, page):
        began = time.monotonic()
        done = await place.update_many({"$and": [part, migration.old]}, list(migration.pipeline))
        changed += done.modified_count
        if done.modified_count:
            await asyncio.sleep((time.monotonic() - began) * (1 - share) / share)
    noted: Document = {"doneAt": datetime.now(UTC), "by": getpass.getuser(), "documents": changed}
    forms = database[schema.STORED_FORMS.name]
    await forms.update_one({"_id": f"migration {migration.name}"}, {"$set": noted}, upsert=True)
    return changed


async def _plan(database: Database) -> None:
    for migration in ALL:
        found = await count(database, migration, _say)
        print(f"{migration.name}: {found:,} documents of {migration.collection.name}: {migration.about}")


async def _apply(database: Database, wanted: Sequence[Migration]) -> None:
    for migration in wanted:
        changed = await migrate(database, migration, _say)
        print(f"{migration.name}: {changed:,} documents of {migration.collection.name} changed")


async def _with_database(work: Callable[[Database], Any]) -> int:
    settings = read_settings("wa", MongoSettings)
    if settings is None:
        return 2
    mongo = Mongo(settings)
    try:
        with or_unavailable():
            await work(mongo.database)
    finally:
        await mongo.close()
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
