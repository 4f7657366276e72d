"""Our follower beside FastStream: `make bench-followers`.

Costs are CPU per record at full load, CPU per record at 1,000 records a second, CPU of an idle second, and memory; a
real broker, each kind as a process of its own, interleaved rounds, and the ratio to ours within a round. Behaviour is
what each kind does when something is wrong, seen from outside. It prints both as Markdown; ADR 0036 has a run.
"""

import argparse
import asyncio
import json
import logging
from pathlib import Path
from typing import Any, Final

from yardstick.followers.behaviour import behaviour
from yardstick.followers.costs import Load, costs
from yardstick.followers.table import markdown
from yardstick.rig.rig import rig, say

_PARTS: Final = ("costs", "behaviour")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m yardstick.followers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="two short rounds: a look")
    add("--rounds", type=int, help="instead of five (or two)")
    add("--parts", default=",".join(_PARTS), help="by comma (default: %(default)s)")
    add("--json", type=Path, help="also write the figures there")
    return parser.parse_args(argv)


async def run(given: argparse.Namespace) -> dict[str, Any]:
    """Measure what is wanted."""
    found: dict[str, Any] = {}
    parts = given.parts.split(",")
    if "costs" in parts:
        async with rig() as place:
            rounds = given.rounds or (2 if given.quick else 5)
            found["costs"] = await costs(place, Load.of(quick=given.quick), rounds, say)
            _keep(found, given.json)  # ten minutes of work are not lost with what follows
    if "behaviour" in parts:
        found["behaviour"] = await behaviour(say)
    return found


def main() -> None:
    """Measure and print."""
    given = arguments()
    logging.basicConfig(level=logging.CRITICAL)
    found = asyncio.run(run(given))
    print("\n".join(markdown(found)))
    _keep(found, given.json)


def _keep(found: dict[str, Any], file: Path | None) -> None:
    if file:
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
