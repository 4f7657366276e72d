"""Measures how fast the services are, compared with honest baselines.

  python -m yardstick goals      print each goal with the median of its paired ratios; exit with 1 if a goal that
                                 must hold is missed (make bench-goals)
  python -m yardstick all        also measure NestJS with BullMQ, end-to-end latency, and cost as everything grows;
                                 write a report with plots (make bench)
  python -m yardstick profile    add where the CPU time of the services goes (make bench-profile)
  python -m yardstick telemetry  add what metrics and traces cost (make bench-telemetry)
  python -m yardstick report     write the report again from its JSON

It starts a real broker and a real mongod. Each side is its own process on its own core. The sides run one after
another, in interleaved rounds. With --against, the services of an earlier commit are further sides:

  python -m yardstick goals --against HEAD~1 --parts conversation,conversation-paced
  python -m yardstick goals --against-python 3.13 --parts ingress,sender
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from yardstick.growth.sweep import growth
from yardstick.latency.rates import latency
from yardstick.parts.part import Bench
from yardstick.profile import profile
from yardstick.report.markdown import markdown
from yardstick.report.plots import draw
from yardstick.rig.checkout import Checkout, checkout
from yardstick.rig.machine import describe
from yardstick.rig.rig import rig, say
from yardstick.rounds import Sizes
from yardstick.services.nest import nest, prepare
from yardstick.suite import GOALS, Outcome, about_parts, default_parts, measure, parts_of
from yardstick.telemetry import table, telemetry


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m yardstick",
        description=__doc__,
        epilog=f"Parts, and about how long each takes with five rounds:\n{about_parts()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("what", choices=["goals", "all", "profile", "telemetry", "report"])
    add("--quick", action="store_true", help="two short rounds, for a first impression in ten minutes")
    add("--rounds", type=int, help="number of rounds (default: 5; with --quick: 2)")
    add(
        "--parts",
        default=default_parts(),
        help="parts of the goals to measure, comma separated (default: %(default)s)",
    )
    add(
        "--against",
        metavar="REV",
        help="also measure the services of this commit, in the same rounds; its checkout is kept in .cache/against",
    )
    add(
        "--against-python",
        metavar="PYTHON",
        help="run that commit (default: HEAD) on this Python: 3.13, or a path; other sides keep the present one",
    )
    add("--skip", default="", help="with `all`, leave out some of nest,latency,growth")
    add(
        "--dimensions",
        default="",
        help="only these dimensions of growth: messages, conversations, tenants, sendBacklog, …",
    )
    add(
        "--keep",
        action="store_true",
        help="with `all`, keep the earlier measurements of parts that are not measured now",
    )
    add("--out", type=Path, default=Path("bench/report"), help="folder of the report (default: %(default)s)")
    given = parser.parse_args(argv)
    try:
        given.parts = parts_of(given.parts)
    except ValueError as error:
        parser.error(str(error))
    return given


async def run(given: argparse.Namespace, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Measure, and return everything as it is in the JSON. Intermediate results are given to `keep`."""
    sizes = Sizes.quick() if given.quick else Sizes.full()
    rounds = given.rounds or (2 if given.quick else 5)
    outcome, skipped = Outcome(), given.skip.split(",")
    more = {part for part in ("nest", "latency", "growth") if part not in skipped} if given.what == "all" else set()
    before = await asyncio.to_thread(_against, given.against, given.against_python)
    if "nest" in more:
        await asyncio.to_thread(prepare)
    machine = {**describe(), **({"against": before.name} if before else {})}
    found = {**(_kept(given.out) if given.keep else {}), "machine": machine}
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(rig())
        beside = await stack.enter_async_context(nest(place)) if "nest" in more else None
        bench = Bench(place, sizes, say, beside, before)
        await measure(outcome, bench, rounds, given.parts, lambda: keep(merged(found, outcome.as_json())))
        found = merged(found, outcome.as_json())
        if "latency" in more:
            found["latency"] = await latency(place, sizes.seconds * 2, say)
            keep(found)
        if "growth" in more:
            async for dimension, steps in growth(place, given.quick, say, [*filter(None, given.dimensions.split(","))]):
                found["growth"] = {**found.get("growth", {}), dimension: steps}
                keep(found)
    return found


def _against(revision: str | None, python: str | None) -> Checkout | None:
    return checkout(revision or "HEAD", python=python) if revision or python else None


async def profiled(given: argparse.Namespace) -> dict[str, Any]:
    """Measure where the CPU time goes."""
    async with rig() as place:
        return await profile(place, 5.0 if given.quick else 15.0, say)


async def measured_telemetry(given: argparse.Namespace) -> dict[str, Any]:
    """Measure what metrics and traces cost."""
    sizes = Sizes.quick() if given.quick else Sizes.full()
    async with rig() as place:
        return await telemetry(place, sizes, given.rounds or (2 if given.quick else 5), say)


def main() -> None:
    """Measure, print, and write the report."""
    given = arguments()
    logging.basicConfig(level=logging.CRITICAL)
    began = time.monotonic()
    if given.what in ("profile", "telemetry", "report"):
        found = _kept(given.out)
        if given.what == "profile":
            found["profile"] = asyncio.run(profiled(given))
        if given.what == "telemetry":
            found["telemetry"] = asyncio.run(measured_telemetry(given))
            print("\n".join(table(found["telemetry"])))
        write(found, given.out)
    else:
        # Intermediate results are written, so that a failure in the last minute does not lose an hour's work.
        found = asyncio.run(run(given, lambda found: write(found, given.out) if given.what == "all" else None))
    print("\n".join(verdicts(found)))
    if given.what != "goals":
        print(f"\nreport in {given.out}")
    print(f"\n{time.monotonic() - began:.0f} s")
    values = found["goals"]
    missed = any(goal.name in values and not goal.holds(values[goal.name]) for goal in GOALS)
    sys.exit(missed or bool(found.get("failed")))


def merged(found: dict[str, Any], measured: dict[str, Any]) -> dict[str, Any]:
    """`found` with the new measurements: goals and rounds by name."""
    return {
        **found,
        "goals": {**found.get("goals", {}), **measured["goals"]},
        "rounds": {**found.get("rounds", {}), **measured["rounds"]},
        "failed": measured["failed"],
    }


def _kept(folder: Path) -> dict[str, Any]:
    """The measurements of an earlier report, if there is one."""
    file = folder / "report.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


def verdicts(found: dict[str, Any]) -> list[str]:
    """The machine, and a line for each measured goal."""
    values = found["goals"]
    return [
        "",
        ", ".join(f"{name} {value}" for name, value in found["machine"].items()),
        "",
        *(
            f"{goal.text:<76}{values[goal.name]:>8.2f}   {goal.bounds():<24}{goal.verdict(values[goal.name])}"
            for goal in GOALS
            if goal.name in values
        ),
        *(f"{name} was not measured: {reason}" for name, reason in found.get("failed", {}).items()),
    ]


def write(found: dict[str, Any], folder: Path) -> None:
    """Write the report, its plots, and the measurements behind them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(markdown(found, draw(found, folder), GOALS), encoding="utf-8")


if __name__ == "__main__":
    main()
