"""Attack a whole system: `python -m hostile [--full] [--only NAME] [--out FILE]` (or `make attack`).

Starts Kafka, MongoDB, every service and the emulator on this machine, attacks them in every way of `hostile.attacks`, one
after another, and measures what a good tenant notices of each. Ends with 1 when any attack did harm. A system that an
attack has broken is thrown away, and the next attack gets a new one.
"""

import argparse
import asyncio
import json
import logging
import resource
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from aiohttp import ClientSession, TCPConnector

from demo.system import System
from hostile.attacks import ALL, FULL, SHORT, Attack, Sides, Size
from hostile.good import Good
from hostile.machine import Machine
from hostile.report import Row, as_json, as_text
from hostile.scene import choices
from hostile.tenants import ATTACKER, VICTIM, Stage


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m hostile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--full", action="store_true", help="all counts as they were found (default: the short version)"
    )
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="only attacks whose name has this; may be repeated"
    )
    parser.add_argument("--out", type=Path, help="also write the report there as JSON")
    return parser.parse_args(argv)


async def measured(attack: Attack, system: System, size: Size) -> Row:
    """One attack, with the good tenant's traffic and a watch on the machine beside it."""
    async with ClientSession(connector=TCPConnector(limit=500)) as session:
        stage = Stage(system, session)
        attacker = await stage.onboard(ATTACKER, "106540352270001")
        victim = await stage.onboard(VICTIM, "106540352280001")
        good = Good(stage, await stage.onboard(VICTIM, "106540352280005", place=5))
        began = time.monotonic()
        async with Machine(system) as machine:
            async with good:
                done = await attack.run(Sides(stage, attacker, victim, size))
            stage.answers = {
                status: stage.answers.get(status, 0) + good.answers.get(status, 0)
                for status in {*stage.answers, *good.answers}
            }
        return Row(
            attack.name,
            time.monotonic() - began,
            done,
            good.webhooks.summary(),
            good.sends.summary(),
            len(good.lost),
            stage.answers,
            machine.seen,
        )


def run(attacks: Sequence[Attack], size: Size) -> list[Row]:
    """All of them, each on a system that works."""
    rows: list[Row] = []
    left = list(attacks)
    while left:
        with System(choices=choices(f"hostile_{uuid.uuid4().hex[:12]}")) as system:
            healthy = True
            while left and healthy:
                row = asyncio.run(measured(left.pop(0), system, size))
                rows.append(row)
                print(f"{row.name}: {row.seconds:.0f} s, {'; '.join(row.broken) or 'no harm'}", flush=True)
                healthy = not (
                    row.lost or row.seen.halted or row.seen.not_ready or row.seen.ended or row.webhooks["givenUp"]
                )
    return rows


def main(argv: list[str] | None = None) -> int:
    """Run it; the exit code."""
    given = arguments(argv)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    wanted = [one for one in ALL if not given.only or any(part in one.name for part in given.only)]
    rows = run(wanted, FULL if given.full else SHORT)
    if given.out is not None:
        given.out.write_text(json.dumps(as_json(rows), indent=2) + "\n", encoding="utf-8")
    print(f"\n{as_text(rows)}")
    return 1 if any(row.broken for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
