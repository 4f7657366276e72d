"""`wa migrate`: changes documents that an earlier version stored, while the services run."""

import argparse
import asyncio
import getpass
import time
from datetime import UTC, datetime
from typing import Any, Final

from common.kafka.settings import KafkaSettings
from common.mongo import Database, Document, schema
from common.mongo.migrations import ALL, Migration
from common.tasks import pause
from wa import options
from wa.connection import Say, connected, say
from wa.erase.sweep import pages

_PAGE: Final = 2_000
_SHARE: Final = 0.25
"""Of the time. The rest is for the services."""


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
        "change the documents of earlier versions, slowly and while the services run; it may be ended and run again",
        "wa migrate apply",
        settings="MONGODB_URI, MONGODB_DATABASE",
    )
    apply.add_argument(
        "--only",
        metavar="NAME",
        choices=[one.name for one in ALL],
        help=f"one of {', '.join(one.name for one in ALL)} (default: all)",
    )
    apply.set_defaults(run=run_apply)


async def run_plan(_: argparse.Namespace, __: KafkaSettings) -> int:
    """`wa migrate plan`; the exit code."""
    async with connected() as mongo:
        for migration in ALL:
            found = await count(mongo.database, migration, say)
            print(f"{migration.name}: {found:,} documents of {migration.collection.name}: {migration.about}")
    return 0


async def run_apply(arguments: argparse.Namespace, _: KafkaSettings) -> int:
    """`wa migrate apply`; the exit code."""
    wanted = [one for one in ALL if arguments.only in (None, one.name)]
    async with connected() as mongo:
        for migration in wanted:
            changed = await migrate(mongo.database, migration, say)
            print(f"{migration.name}: {changed:,} documents of {migration.collection.name} changed")
    return 0


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
            await asyncio.sleep(pause(time.monotonic() - began, share))
    noted: Document = {"doneAt": datetime.now(UTC), "by": getpass.getuser(), "documents": changed}
    forms = database[schema.STORED_FORMS.name]
    await forms.update_one({"_id": f"migration {migration.name}"}, {"$set": noted}, upsert=True)
    return changed
