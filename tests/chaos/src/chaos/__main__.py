"""The fault suite: `python -m chaos --faults 40 --seed 7` (or `make chaos FAULTS=40 SEED=7`).

It starts the whole system. Customers and producers write through it while it injects faults. Then it waits until
all work is done, and checks what every phone received. It prints a report, and exits with 1 if a promise was broken.
"""

import argparse
import asyncio
import json
import logging
import sys
from pathlib import Path

from chaos.broken_builds import BUILDS
from chaos.evidence.lateness import lateness
from chaos.evidence.verdict import judge
from chaos.options import Options
from chaos.report import Run, as_json, as_text
from chaos.run import Outcome, run

_MERGE = 5_000
_QUIET_SECONDS = 240.0 + 600.0
"""Outages of ingress hold a doubt for as long again as they lasted, at most ten minutes (docs/decisions/0025)."""
_BROKEN_QUIET_SECONDS = 75.0  # a lost message never comes; a second send comes after the doubt window


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    number = parser.add_argument
    number("--faults", type=int, default=40, help="number of faults (default: %(default)s)")
    number("--seed", type=int, default=7, help="the same seed gives the same faults (default: %(default)s)")
    number("--rate", type=float, default=6.0, help="customer messages a second (default: %(default)s)")
    number("--customers", type=int, default=24, help="number of customers who write (default: %(default)s)")
    number("--kafka-nodes", type=int, default=3, choices=(1, 3), help="Kafka brokers (default: %(default)s)")
    number(
        "--mongo-nodes", type=int, default=3, choices=(1, 3), help="members of the replica set (default: %(default)s)"
    )
    number("--quiet-seconds", type=float, help="longest wait for the end of all work (default: 840; with --build: 75)")
    number(
        "--kinds",
        help="only these kinds of faults, comma separated: outage, outage:kafka, kill, pause, scale, stop, storm, sender, kill:sender, storm:reset, …",
    )
    number(
        "--lose-answers",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of calls to Meta whose answer is lost (0.05: 5 %%)",
    )
    number(
        "--fail-calls",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of calls to Meta that fail with code 131000",
    )
    number("--rolling", action="store_true", help="no faults: replace every process, one after another, under traffic")
    number(
        "--before",
        type=Path,
        metavar="TREE",
        help="with --rolling: the release that is replaced, a source tree in which `make setup` was run (default: this one)",
    )
    number("--no-attacker", action="store_true", help="leave out the attacking tenant (--build leaves it out too)")
    number(
        "--merge",
        type=int,
        default=_MERGE,
        metavar="MESSAGES",
        help="messages of a conversation that is merged into another one under the faults; 0: none (default: %(default)s)",
    )
    number(
        "--merge-kills",
        type=int,
        default=2,
        metavar="N",
        help="while they move, kill -9 of every conversation process, so often (default: %(default)s)",
    )
    number("--build", choices=sorted(BUILDS), help="run a broken build; the run has to fail (except with uncommitted)")
    number("--json", type=Path, help="also write the report as JSON to this file")
    number("--verbose", action="store_true", help="print each fault when it is injected")
    return parser.parse_args(argv)


def options_of(given: argparse.Namespace) -> Options:
    """The options of a run."""
    build = BUILDS.get(given.build)
    patience = _BROKEN_QUIET_SECONDS if build and build.breach else _QUIET_SECONDS
    return Options(
        faults=given.faults,
        seed=given.seed,
        rate=given.rate,
        customers=given.customers,
        kafka_nodes=given.kafka_nodes,
        mongo_nodes=given.mongo_nodes,
        quiet_seconds=given.quiet_seconds or patience,
        kinds=frozenset(given.kinds.split(",")) if given.kinds else build.kinds if build else None,
        build=given.build,
        lose_answers=given.lose_answers,
        fail_calls=given.fail_calls,
        rolling=given.rolling,
        before=given.before,
        attacker=not given.no_attacker and build is None,
        merge=given.merge if (not given.rolling if build is None else build.merges) else 0,
        merge_kills=given.merge_kills,
    )


def reported(options: Options, outcome: Outcome) -> Run:
    """The run in the form of the report."""
    build = f", build: {options.build}" if options.build else ""
    kind = "rolling update" if options.rolling else "chaos"
    return Run(
        title=f"{kind}, seed {options.seed}, {options.rate:g} messages/s, Kafka x {options.kafka_nodes},"
        f" MongoDB x {options.mongo_nodes}{build}",
        faults=outcome.faults,
        struck=outcome.struck,
        doubts=outcome.doubts,
        verdict=judge(outcome.facts),
        late=lateness(outcome.calls, outcome.disturbed),
        recoveries=outcome.recoveries,
        seconds=outcome.seconds,
        rolled=outcome.rolled,
        attacks=outcome.attacks,
        merged=outcome.facts.merged,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the suite; the exit code."""
    given = arguments(argv)
    logging.basicConfig(level=logging.INFO if given.verbose else logging.ERROR, format="%(asctime)s %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    options = options_of(given)
    outcome = asyncio.run(run(options, lambda text: print(text, flush=True)))
    made = reported(options, outcome)
    if given.json is not None:
        given.json.write_text(json.dumps(as_json(made), indent=2) + "\n", encoding="utf-8")
    print(f"\n{as_text(made)}")
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    sys.exit(main())
