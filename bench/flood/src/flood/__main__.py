"""How long quiet tenants wait while another tenant floods: `python -m flood --messages 50000` (or `make flood`).

It starts the whole system on real Kafka and MongoDB, with Meta's limits on. Each plan has one quiet tenant, and all of
them are in the partition of the flooding tenant. They send alone, then while the flood is enqueued and read, then while
it goes out at the rate of its number. The output is how long their messages take from enqueueing until Meta accepts
them. The exit code is 1 if the flooding number was faster than Meta allows.

Then, on a new system, two tenants of each plan want half as many calls again as there are (`SENDER_MAX_IN_FLIGHT` is 8,
Meta answers after 100 ms). The output is what each plan gets.

To compare two commits, run it in a worktree of each: `--json before.json` in the first, `--before before.json` in the
second. It then prints this run divided by the other.

With `--refused 10` it measures one number instead: its replies alone, and its replies beside a campaign of ten
templates that Meta refuses. It exits with 1 if the p99 of the replies exceeds one second.
"""

import argparse
import asyncio
import json
import logging
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from flood.measure import Options, measure
from flood.measurements import as_json, compared, number_line, scarce_table, table
from flood.refused import measure_refused
from flood.scarce import measure_scarce

_MOST_MS = 1_000
"""The longest p99 of replies, whatever else is refused."""


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m flood", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--messages", type=int, default=50_000, help="messages in the flood (default: %(default)s)")
    add("--seconds", type=float, default=30.0, help="seconds of each phase without its own end (default: %(default)s)")
    add("--every", type=float, default=0.3, help="seconds between a quiet tenant's messages (default: %(default)s)")
    add(
        "--plans",
        default="free,standard,premium",
        help="plans of the quiet tenants, comma separated (default: %(default)s)",
    )
    add("--refused", type=int, default=0, metavar="N", help="instead, measure replies beside N refused templates")
    add("--before", type=Path, help="the JSON of an earlier run, to compare with")
    add("--json", type=Path, help="also write the measurements as JSON to this file")
    return parser.parse_args(argv)


def main() -> None:
    """Run and print."""
    given = arguments()
    logging.basicConfig(level=logging.CRITICAL)
    if given.refused:
        sys.exit(_beside_refused(given))
    options = Options(given.messages, given.seconds, given.plans.split(","), given.every)
    say = partial(print, file=sys.stderr, flush=True)
    outcome = asyncio.run(measure(options, say))
    print("\n".join(["", *table(outcome.phases), "", number_line(outcome.number)]))
    print(
        f"flood: {given.messages} messages enqueued in {outcome.enqueued_seconds:.1f} s,"
        f" read after {outcome.taken_in_seconds:.1f} s"
    )
    if given.before:
        print("\n".join(["", *compared(outcome.phases, json.loads(given.before.read_text()))]))
    scarce = asyncio.run(measure_scarce(options.plans, given.seconds, say))
    print("\n".join(["", *scarce_table(scarce)]))
    if given.json:
        more: dict[str, Any] = {"enqueuedSeconds": outcome.enqueued_seconds, "takenInSeconds": outcome.taken_in_seconds}
        more["scarce"] = {plan: asdict(served) for plan, served in scarce.items()}
        given.json.write_text(json.dumps(as_json(outcome.phases, outcome.number, **more), indent=2) + "\n")
    sys.exit(0 if outcome.number.kept else 1)


def _beside_refused(given: argparse.Namespace) -> int:
    """Measure and print how long the replies wait; the exit code."""
    say = partial(print, file=sys.stderr, flush=True)
    waits = asyncio.run(measure_refused(given.refused, given.seconds, say))
    print("\n".join(["", *table({phase: {"": one} for phase, one in waits.items()})]))
    if given.json:
        given.json.write_text(json.dumps({phase: asdict(one) for phase, one in waits.items()}, indent=2) + "\n")
    return 0 if max(one.p99 for one in waits.values()) <= _MOST_MS else 1


if __name__ == "__main__":
    main()
