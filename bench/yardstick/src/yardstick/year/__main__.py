"""Fills a mongod with a year's data, and measures every query that the services and `wa` send.

  python -m yardstick.year --data DIR                    100,000 and 1,000,000 messages; writes the report
  python -m yardstick.year --data DIR --messages 10000000 --seconds 240
                                                         fills for four minutes; run it again to go on
  python -m yardstick.year --data DIR --drop             removes the data

It starts a mongod that keeps its data in DIR (or takes MONGODB_URI). Each size is a database of its own. The figures
of a size are kept in the report's JSON, so that sizes may be measured one after the other.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient

from local_stack import LocalStack
from yardstick.queries.world import prepare, world_of
from yardstick.rig.machine import describe
from yardstick.rig.rig import say
from yardstick.stored.year_filling import DiskTooSmall, YearFilling
from yardstick.year.measuring import measure
from yardstick.year.table import slow, tables

_SIZES: Final = "100000,1000000"
_WAITING_EACH: Final = 1_000
"""Messages stored for each send that is parked, and for each that is scheduled."""

_REPORT: Final = Path("bench/report/year.json")
_NOT_YET: Final = 3


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m yardstick.year", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--messages", default=_SIZES, help="messages stored, comma separated (default: %(default)s)")
    add("--rounds", type=int, default=60, help="how often each query is timed (default: %(default)s)")
    add("--seconds", type=float, help="fill for at most so long; exit with 3 if that is not enough")
    add("--data", type=Path, help="where mongod keeps its data (default: a folder that is removed)")
    add("--report", type=Path, default=_REPORT, help="JSON to write, with a .md beside it (default: %(default)s)")
    add("--drop", action="store_true", help="remove the data of these sizes, and do nothing else")
    return parser.parse_args(argv)


async def run(given: argparse.Namespace, uri: str) -> int:
    """Fill and measure each size; the exit code."""
    with MongoClient[dict[str, Any]](uri) as client:
        for messages in (int(size) for size in given.messages.split(",")):
            name = f"year_{messages}"
            if given.drop:
                client.drop_database(name)
                client.drop_database(f"{name}_filling")
                continue
            filling = YearFilling(client, name, messages, say)
            year = filling.start()
            if not await asyncio.to_thread(filling.fill, year, given.seconds):
                say("not all of it is there yet: run this again")
                return _NOT_YET
            async with world_of(uri, name, year, max(600, messages // _WAITING_EACH)) as world:
                await prepare(world)
                say(f"{messages:,} messages are there, with all indexes")
                measured = await measure(world, client, given.rounds, say)
            _write(given.report, messages, {**asdict(measured), "machine": describe()})
    return 0


def _write(path: Path, messages: int, found: dict[str, Any]) -> None:
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    sizes = {int(size): values for size, values in {**known, str(messages): found}.items()}
    sizes = dict(sorted(sizes.items()))
    path.write_text(json.dumps(sizes, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(tables(sizes), encoding="utf-8")
    for place in slow(sizes):
        say(f"slower than it should be: {place}")


def main() -> int:
    """The exit code: 0, 3 when it has to be run again, 1 when the disk is too small."""
    given = arguments()
    with LocalStack(kafka_nodes=0, data=given.data, fast_boot=False) as stack:
        try:
            return asyncio.run(run(given, stack.mongodb_uri))
        except DiskTooSmall as error:
            print(error, file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
