"""Attacks a whole system: `python -m hostile` (or `make attack`).

It starts Kafka, MongoDB, every service and the emulator on this machine. It runs the attacks of `hostile.attacks` one
after another, and measures how each one affects a good tenant. After an attack that broke the system, the next one gets
a new system. It exits with 1 if any attack did harm.
"""

import argparse
import asyncio
import json
import logging
import resource
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from hostile.attacks import ALL, FULL, SHORT, Attack, Size
from hostile.report import Row, as_json, as_text
from hostile.scene import SHORT_DLQ_LIMIT, choices
from hostile.trial import measured
from testbed.system import System


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m hostile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="attack with the full counts (default: a short version)")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="only attacks whose name contains this; may be repeated"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the report as JSON to this file")
    return parser.parse_args(argv)


def run(attacks: Sequence[Attack], size: Size) -> list[Row]:
    """Run all attacks, each on a working system."""
    rows: list[Row] = []
    left = list(attacks)
    while left:
        limit = None if size == FULL else SHORT_DLQ_LIMIT
        with System(choices=choices(f"hostile_{uuid.uuid4().hex[:12]}", dlq_limit=limit)) as system:
            healthy = True
            while left and healthy:
                row = asyncio.run(measured(left.pop(0), system, size))
                rows.append(row)
                print(f"{row.name}: {row.seconds:.0f} s, {'; '.join(row.broken) or 'no harm'}", flush=True)
                healthy = row.works
    return rows


def main(argv: list[str] | None = None) -> int:
    """Run the attacks; the exit code."""
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
