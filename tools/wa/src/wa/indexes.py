"""`wa indexes`: the declared indexes of every collection, listed, created and replaced.

Each service creates its own indexes when it starts, and replaces none. Run this before a deployment, so that no start
waits for a long build.
"""

import argparse
import json
from functools import partial
from typing import Any

from common.kafka.settings import KafkaSettings
from common.mongo import Database, schema
from common.mongo.index_plan import Standing
from common.mongo.indexes import IndexesDiffer, compare_indexes, ensure_each, ensure_indexes
from wa import options
from wa.connection import connected, say
from wa.index_changes import planned_changes, with_progress


def register(groups: Any) -> None:
    """Add the group to the command line."""
    verbs = options.add_group(groups, "indexes", "MongoDB's indexes: list, plan, apply, ensure", "wa indexes plan")
    listed = options.add_command(
        verbs,
        "list",
        "list every index and its state; exit code 3 if one is missing or differs from its declaration",
        "wa indexes list",
        settings="MONGODB_URI, MONGODB_DATABASE",
    )
    listed.add_argument("--json", action="store_true", help="one JSON object per index")
    listed.set_defaults(run=run_list)
    plan = options.add_command(
        verbs,
        "plan",
        "show what has to change; exit code 3 if documents keep a unique index from being built",
        "wa indexes plan",
        settings="MONGODB_URI, MONGODB_DATABASE",
    )
    plan.set_defaults(run=run_plan)
    apply = options.add_command(
        verbs,
        "apply",
        "make these changes while the services run: build the new index, then drop the old one",
        "wa indexes apply",
        settings="MONGODB_URI, MONGODB_DATABASE",
    )
    apply.set_defaults(run=run_apply)
    ensure = options.add_command(
        verbs,
        "ensure",
        "create missing indexes; it may run while the services run",
        "wa indexes ensure",
        settings="MONGODB_URI, MONGODB_DATABASE",
    )
    ensure.set_defaults(run=run_ensure)


async def run_list(arguments: argparse.Namespace, _: KafkaSettings) -> int:
    """`wa indexes list`; the exit code."""
    async with connected() as mongo:
        found = [
            (one.owner, one.name, name, standing)
            for one in schema.ALL
            for name, standing in (await compare_indexes(mongo.database, one)).items()
        ]
    for owner, collection, name, standing in found:
        facts = {"owner": owner, "collection": collection, "index": name, "standing": str(standing)}
        print(json.dumps(facts) if arguments.json else f"{owner:14} {collection:24} {name:30} {standing}")
    return 3 if {standing for *_, standing in found} & {Standing.MISSING, Standing.OTHER} else 0


async def run_plan(_: argparse.Namespace, __: KafkaSettings) -> int:
    """`wa indexes plan`; the exit code."""
    stopped = 0
    async with connected() as mongo:
        planned = await planned_changes(mongo.database)
        for one in planned:
            stopped += len(one.duplicates)
            print("\n".join([one.line(), *one.complaints()]))
    print(f"{len(planned)} changes: `wa indexes apply` makes them" if planned else "every index is as declared")
    return 3 if stopped else 0


async def run_apply(_: argparse.Namespace, __: KafkaSettings) -> int:
    """`wa indexes apply`; the exit code."""
    left = 0
    async with connected() as mongo:
        for one in await planned_changes(mongo.database):
            if one.duplicates:
                left += 1
                print("\n".join([f"left as it is: {one.line()}", *one.complaints()]))
                continue
            print(one.line(), flush=True)
            await with_progress(mongo.database, one.collection, one.change, say)
    print("every other change is made" if left else "every index is as declared")
    return 3 if left else 0


async def run_ensure(_: argparse.Namespace, __: KafkaSettings) -> int:
    """`wa indexes ensure`; the exit code."""
    made: list[str] = []

    async def ensure(database: Database, one: schema.Collection) -> None:
        made.extend(f"{one.name}.{name}" for name in await ensure_indexes(database, one))

    async with connected() as mongo:
        differ = None
        try:
            await ensure_each(*(partial(ensure, mongo.database, one) for one in schema.ALL))
        except IndexesDiffer as error:
            differ = error  # every other collection has its indexes
        print("\n".join([f"created {len(made)} indexes", *(f"  {name}" for name in made)]))
        if differ:
            raise differ
    return 0
