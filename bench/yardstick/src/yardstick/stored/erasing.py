"""How long `wa erase` takes for a person among many, beside that of another tree.

  python -m yardstick.stored.erasing                            among 1,000,000 messages
  python -m yardstick.stored.erasing --before ../main --of 100000    a person with so many messages, too

It starts a mongod, fills it with what the services keep, and erases one person after another, by turns with each tree.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient

from common.contracts.ids import random_id
from common.mongo import schema
from local_stack import LocalStack
from yardstick.rig.machine import used
from yardstick.rig.rig import say
from yardstick.stored.place import Filled, filled

_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How many messages there are, and how many one person has; which trees, by name, and how often each."""

    messages: int
    own: int
    rounds: int
    trees: dict[str, str]


def arguments(argv: Sequence[str] | None = None) -> Plan:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m yardstick.stored.erasing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--messages", type=int, default=1_000_000, help="messages stored (default: %(default)s)")
    parser.add_argument("--of", type=int, default=0, metavar="MESSAGES", help="further messages of the person")
    parser.add_argument("--rounds", type=int, default=2, help="persons for each tree (default: %(default)s)")
    parser.add_argument("--before", type=Path, metavar="TREE", help="another tree, in which `make setup` was run")
    given = parser.parse_args(argv)
    trees = {"now": sys.executable}
    if given.before is not None:
        trees = {"before": str(given.before / ".venv/bin/python"), **trees}
    return Plan(given.messages, given.of, given.rounds, trees)


def turns(plan: Plan) -> Iterator[tuple[int, str]]:
    """A number of a person, and the tree that erases them: the trees alternate."""
    names = [name for _ in range(plan.rounds) for name in plan.trees]
    return enumerate(names)


async def measure(uri: str, plan: Plan) -> None:
    """Erase and print."""
    async with filled(uri, plan.messages, say) as place:
        for person, name in turns(plan):
            contact = str(place.people.turn(person).contact.wa_id)
            if plan.own:
                await asyncio.to_thread(_add, uri, place, contact, plan.own)
            before = used(place.pid).cpu_seconds
            began = time.monotonic()
            told = await asyncio.to_thread(_erase, uri, place, plan.trees[name], contact)
            seconds = time.monotonic() - began
            cpu = used(place.pid).cpu_seconds - before
            say(f"{name}: {seconds:.1f} s, {cpu:.1f} s of mongod's CPU ({told})")


def _erase(uri: str, place: Filled, python: str, contact: str) -> str:
    environment = {**os.environ, "MONGODB_URI": uri, "MONGODB_DATABASE": place.mongo.database.name, "ENV_FILE": ""}
    command = [python, "-m", "wa", "erase", "--contact", f"+{contact}", "--by", "bench", "--because", "bench", "--yes"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"wa erase ended with {done.returncode}: {done.stdout}{done.stderr}")
    return next(line for line in done.stdout.splitlines() if line.startswith("erased")).partition(";")[0]


def _add(uri: str, place: Filled, contact: str, count: int) -> None:
    """Further messages in the person's conversation, like the first one there."""
    client: MongoClient[dict[str, Any]] = MongoClient(uri, tz_aware=True)
    with client:
        messages = client[place.mongo.database.name][schema.MESSAGES.name]
        like = messages.find_one({"contact.waId": contact})
        if like is None:
            raise RuntimeError("the person has not written")
        for start in range(0, count, _AT_ONCE):
            copies = [
                {**like, "_id": random_id(), "wamid": f"{like['wamid']}{n}"}
                for n in range(start, min(start + _AT_ONCE, count))
            ]
            messages.insert_many(copies, ordered=False)


async def run(plan: Plan) -> None:
    """Start a mongod, and measure."""
    stack = LocalStack(kafka_nodes=0, fast_boot=False)
    await asyncio.to_thread(stack.start)
    try:
        await measure(stack.mongodb_uri, plan)
    finally:
        await asyncio.to_thread(stack.stop)


if __name__ == "__main__":
    asyncio.run(run(arguments()))
