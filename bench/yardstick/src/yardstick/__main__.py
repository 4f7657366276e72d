"""How fast the services are, beside honest baselines.

`python -m yardstick goals` (`make bench-goals`) prints each goal with the median of its paired ratios, and ends with 1
when one that must hold falls short. `python -m yardstick all` (`make bench`) also measures NestJS with BullMQ, latency
end to end and cost as everything grows, and writes a report with plots. `python -m yardstick profile`
(`make bench-profile`) adds where the services' time goes, `python -m yardstick telemetry` (`make bench-telemetry`) what
metrics and traces cost; `python -m yardstick report` writes the report again from its JSON.

A real broker and a real mongod are started, and each side as a process of its own on a core of its own, one after the
other in interleaved rounds.
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

from yardstick.comparisons import Sizes
from yardstick.growth.sweep import growth
from yardstick.latency.rates import latency
from yardstick.profile import profile
from yardstick.report.goals import GOALS
from yardstick.report.markdown import markdown
from yardstick.report.plots import draw
from yardstick.rig.machine import describe
from yardstick.rig.rig import rig, say
from yardstick.services.nest import nest, prepare
from yardstick.suite import PARTS, Outcome, measure, measure_http
from yardstick.telemetry import table, telemetry


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m yardstick", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("what", choices=["goals", "all", "profile", "telemetry", "report"])
    add("--quick", action="store_true", help="two short rounds: a look, within ten minutes")
    add("--rounds", type=int, help="instead of five (or two)")
    add("--parts", default=",".join(PARTS), help="some of the goals' parts: %(default)s")
    add("--skip", default="", help="of `all`: nest, latency, growth")
    add("--dimensions", default="", help="of growth, only these: messages, conversations, tenants, sendBacklog, …")
    add("--keep", action="store_true", help="of `all`: what is not measured now stays as it is in the report")
    add("--out", type=Path, default=Path("bench/report"), help="folder of the report (default: %(default)s)")
    return parser.parse_args(argv)


async def run(given: argparse.Namespace, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Measure what is wanted; everything as JSON has it. What is there so far is given to `keep` as it grows."""
    sizes = Sizes.quick() if given.quick else Sizes.full()
    rounds = given.rounds or (2 if given.quick else 5)
    parts, outcome, skipped = given.parts.split(","), Outcome(), given.skip.split(",")
    more = {part for part in ("nest", "latency", "growth") if part not in skipped} if given.what == "all" else set()
    if "nest" in more:
        await asyncio.to_thread(prepare)
    if "http" in parts:
        await measure_http(outcome, rounds, say)
    found = {**(_kept(given.out) if given.keep else {}), "machine": describe()}
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(rig())
        beside = await stack.enter_async_context(nest(place)) if "nest" in more else None
        await measure(outcome, place, sizes, rounds, parts, say, beside, lambda: keep(merged(found, outcome.as_json())))
        found = merged(found, outcome.as_json())
        if "latency" in more:
            found["latency"] = await latency(place, sizes.seconds * 2, say)
            keep(found)
        if "growth" in more:
            async for dimension, steps in growth(place, given.quick, say, [*filter(None, given.dimensions.split(","))]):
                found["growth"] = {**found.get("growth", {}), dimension: steps}
                keep(found)
    return found


async def profiled(given: argparse.Namespace) -> dict[str, Any]:
    """Where the time goes."""
    async with rig() as place:
        return await profile(place, 5.0 if given.quick else 15.0, say)


async def measured_telemetry(given: argparse.Namespace) -> dict[str, Any]:
    """What metrics and traces cost."""
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
        # An hour's work is not lost with its last minute.
        found = asyncio.run(run(given, lambda found: write(found, given.out) if given.what == "all" else None))
    print("\n".join(verdicts(found)))
    if given.what != "goals":
        print(f"\nreport in {given.out}")
    print(f"\n{time.monotonic() - began:.0f} s")
    values = found["goals"]
    sys.exit(any(goal.name in values and not goal.holds(values[goal.name]) for goal in GOALS))


def merged(found: dict[str, Any], measured: dict[str, Any]) -> dict[str, Any]:
    """`found` with what was measured now: goals and rounds by name, the HTTP client where it was."""
    return {
        **found,
        "goals": {**found.get("goals", {}), **measured["goals"]},
        "rounds": {**found.get("rounds", {}), **measured["rounds"]},
        "http": measured["http"] or found.get("http", {}),
    }


def _kept(folder: Path) -> dict[str, Any]:
    """The measurements of an earlier report, if there is one."""
    file = folder / "report.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


def verdicts(found: dict[str, Any]) -> list[str]:
    """The machine, and a line for each goal that was measured."""
    values = found["goals"]
    return [
        "",
        ", ".join(f"{name} {value}" for name, value in found["machine"].items()),
        "",
        *(
            f"{goal.text:<72}{values[goal.name]:>8.2f}   {goal.bounds():<24}{goal.verdict(values[goal.name])}"
            for goal in GOALS
            if goal.name in values
        ),
    ]


def write(found: dict[str, Any], folder: Path) -> None:
    """The report, its pictures, and the measurements behind them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(markdown(found, draw(found, folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
