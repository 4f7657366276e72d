"""What a quiet tenant feels of a flooding one: `python -m flood --messages 50000` (or `make flood`).

Starts the whole system on real Kafka and MongoDB, with Meta's limits on. Quiet tenants, one of each plan and all in the
flooding tenant's partition, write alone, then while the flood is enqueued and taken in, then while it goes out at the
pace of its number. Prints how long theirs take from being enqueued to Meta's taking them. Ends with 1 when the flooding
number was faster than Meta allows.

With `--refused 10` it is one number instead: its replies alone, and beside a campaign of ten templates that Meta
refuses. Ends with 1 when a reply takes longer than a second at p99.
"""

import argparse
import asyncio
import json
import logging
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

from flood.measure import Options, measure
from flood.measurements import as_json, number_line, table
from flood.refused import measure_refused

_MOST_MS = 1_000
"""A reply may take so long, whatever else is refused."""


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m flood", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--messages", type=int, default=50_000, help="in the flood (default: %(default)s)")
    add("--seconds", type=float, default=30.0, help="of the phases without end (default: %(default)s)")
    add("--every", type=float, default=0.3, help="seconds between a quiet tenant's messages (default: %(default)s)")
    add("--plans", default="free,standard,premium", help="of the quiet tenants, by comma (default: %(default)s)")
    add("--refused", type=int, default=0, help="measure replies beside so many refused templates instead")
    add("--json", type=Path, help="also write the figures there")
    return parser.parse_args(argv)


def main() -> None:
    """Run and print."""
    given = arguments()
    logging.basicConfig(level=logging.CRITICAL)
    if given.refused:
        sys.exit(_beside_refused(given))
    options = Options(given.messages, given.seconds, given.plans.split(","), given.every)
    outcome = asyncio.run(measure(options, lambda line: print(line, file=sys.stderr, flush=True)))
    print("\n".join(["", *table(outcome.phases), "", number_line(outcome.number)]))
    print(
        f"flood: {given.messages} messages enqueued in {outcome.enqueued_seconds:.1f} s,"
        f" taken in after {outcome.taken_in_seconds:.1f} s"
    )
    if given.json:
        times = {"enqueuedSeconds": outcome.enqueued_seconds, "takenInSeconds": outcome.taken_in_seconds}
        given.json.write_text(json.dumps(as_json(outcome.phases, outcome.number, **times), indent=2) + "\n")
    sys.exit(0 if outcome.number.kept else 1)


def _beside_refused(given: argparse.Namespace) -> int:
    """Print the replies' waits; the exit code."""
    say = partial(print, file=sys.stderr, flush=True)
    waits = asyncio.run(measure_refused(given.refused, given.seconds, say))
    print("\n".join(["", *table({phase: {"": one} for phase, one in waits.items()})]))
    if given.json:
        given.json.write_text(json.dumps({phase: asdict(one) for phase, one in waits.items()}, indent=2) + "\n")
    return 0 if max(one.p99 for one in waits.values()) <= _MOST_MS else 1


if __name__ == "__main__":
    main()
