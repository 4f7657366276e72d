"""Checks the dashboards on real data: `python -m panels` (or `make panels`, `make screenshots`).

It starts the whole system with traffic and failures, and scrapes it with a real Prometheus. It exits with 1 if the
query of a panel returns no data, or if an alert uses a metric that does not exist. `--draw FOLDER` makes pictures.
`--again` checks and draws the latest run again.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from local_stack import LocalStackError
from panels.boards import read
from panels.draw import draw, tools
from panels.run import run
from panels.verdict import empty, report, unread
from testbed.client import StepFailed
from testbed.system import SystemFailed

KEPT: Final = Path(__file__).resolve().parents[4] / ".cache" / "panels" / "seen.json"


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m panels", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=4.0, help="customer messages a second (default: %(default)s)")
    parser.add_argument(
        "--outage",
        type=float,
        default=45.0,
        metavar="SECONDS",
        help="length of the outage of Meta (default: %(default)s)",
    )
    parser.add_argument("--again", action="store_true", help="start nothing; use the data of the latest run")
    parser.add_argument(
        "--draw", type=Path, metavar="FOLDER", help="draw each dashboard into this folder (needs node, npm, chromium)"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run and report; the exit code is 0 when every panel has data."""
    given = arguments(argv)
    try:
        if given.draw:
            tools()
        seen = json.loads(KEPT.read_text(encoding="utf-8")) if given.again else _run(given)
        boards = read()
        print(report(boards, seen))
        for picture in draw(boards, seen, given.draw) if given.draw else ():
            print(f"{picture.name}: {picture.stat().st_size // 1000} kB")
    except (StepFailed, SystemFailed, LocalStackError, FileNotFoundError) as failure:
        print(f"failed: {failure}", file=sys.stderr)
        return 2
    return int(bool(empty(boards, seen) or unread(seen)))


def _run(given: argparse.Namespace) -> Any:
    seen = run(rate=given.rate, outage=given.outage, say=lambda text: print(text, flush=True))
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps(seen), encoding="utf-8")
    return seen


if __name__ == "__main__":
    sys.exit(main())
