"""The report of a run as Markdown, from its JSON: goals first, then everything that was measured. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Final

from yardstick.report.goals import Goal

Json = Mapping[str, Any]


def markdown(run: Json, plots: Sequence[str], goals: Sequence[Goal]) -> str:
    """The whole report, with those goals that were measured."""
    parts = [
        "# Benchmark report",
        _ABOUT,
        _machine(run["machine"]),
        "## Goals",
        *_goals(run, goals),
        "## Side by side",
        _SIDES,
        *_rounds(run),
        *_latency(run.get("latency") or {}),
        *_growth(run.get("growth") or {}),
        *_profile(run.get("profile") or {}),
        *_telemetry(run.get("telemetry") or {}),
        *(f"![{name}]({name}.svg)" for name in plots),
    ]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine(machine: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in machine.items())


def _goals(run: Json, goals: Sequence[Goal]) -> Iterator[str]:
    values = run["goals"]
    rows = [
        [goal.text, f"{values[goal.name]:.2f}", goal.bounds(), goal.verdict(values[goal.name])]
        for goal in goals
        if goal.name in values
    ]
    yield table(["Goal", "Median of paired ratios", "Bounds", "Verdict"], rows)


def _rounds(run: Json) -> Iterator[str]:
    for part, sides in run["rounds"].items():
        beside = sorted({name for runs in sides.values() for one in runs for name in one.get("beside", {})})
        head = [part, "per second", "CPU µs each", *(f"{name}, µs" for name in beside), "of its core", "memory MiB"]
        yield table([*head, "p50, p99 ms"], [_side(side, runs, beside) for side, runs in sides.items()])


def _side(side: str, runs: Sequence[Json], beside: Sequence[str]) -> list[str]:
    late = [median(column) for column in zip(*(one["lateMs"] for one in runs), strict=True)]
    return [
        side,
        f"{median(one['perSecond'] for one in runs):,.0f}",
        f"{median(one['cpuUs'] for one in runs):,.1f}",
        *(_cost_beside(name, runs) for name in beside),
        f"{median(one['perSecond'] * one['cpuUs'] for one in runs) / 1e6:.3f}",
        f"{max(one['memory'] for one in runs) / 2**20:,.0f}",
        ", ".join(f"{value:.1f}" for value in late) or "-",
    ]


def _cost_beside(name: str, runs: Sequence[Json]) -> str:
    costs = [one["beside"][name] for one in runs if name in one.get("beside", {})]
    return f"{median(costs):,.0f}" if costs else "-"


def _latency(latency: Json) -> Iterator[str]:
    if not latency:
        return
    yield "## End to end"
    yield "Open loop: latency counts from the instant at which a message was due, whatever became of those before."
    for chain, found in latency.items():
        points = found["points"]
        processes = sorted({name for point in points for name in point["shares"]})
        rows = [
            [
                f"{point['rate']:,.0f}/s",
                *(f"{point[name]:.1f}" for name in ("p50", "p99", "p999")),
                *(_or_dash(point.get(name)) for name in ("answer_p50", "answer_p99")),
                *(f"{point['shares'].get(name, 0):.2f}" for name in processes),
            ]
            for point in points
        ]
        head = [chain, "p50 ms", "p99 ms", "p99.9 ms", "answer p50", "answer p99", *(f"{p}, cores" for p in processes)]
        yield table(head, rows)
        for name in ("saturation", "meta_rate"):
            if found.get(name) is not None:
                yield f"{_WORDS[name]}: {found[name]:,.0f}/s."


_ABOUT: Final = (
    "Written by `make bench`; the method is in [bench/README.md](../README.md). Figures are of one run on one machine:"
    " compare them with each other, not with those of another run."
)
_SIDES: Final = (
    "Medians over the rounds; CPU is that of the measured process, per message or request, and beside it that of the"
    " broker and of mongod. An idle process has a second in place of a message."
)
_SHOWN: Final = 0.02
_WORDS: Final = {"saturation": "Highest rate that keeps up", "meta_rate": "Highest rate that keeps Meta's rule"}


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _profile(profile: Json) -> Iterator[str]:
    if not profile:
        return
    yield "## Where the time goes"
    yield (
        "By the module whose code runs, or has called into C, at full load (`make bench-profile`). Other threads are"
        " those that run no Python: the HTTP client's. Each module has its share of what the threads with Python use."
    )
    names = list(profile)
    modules: dict[str, float] = {}
    for found in profile.values():
        for name, share in found["modules"].items():
            modules[name] = max(share, modules.get(name, 0.0))
    shown = [name for name, share in sorted(modules.items(), key=lambda item: -item[1]) if share >= _SHOWN]
    yield table(
        ["", *names],
        [
            ["CPU µs per message", *(f"{profile[name]['cpuUs']:.0f}" for name in names)],
            ["other threads", *(f"{profile[name]['otherThreads']:.0%}" for name in names)],
            *([module, *(f"{profile[name]['modules'].get(module, 0):.0%}" for name in names)] for module in shown),
        ],
    )


def _telemetry(telemetry: Json) -> Iterator[str]:
    if not telemetry:
        return
    yield "## What telemetry costs"
    yield (
        "CPU µs of a message (`make bench-telemetry`), and the median of the paired ratios to the same service with"
        " nothing counted and nothing traced. The default traces 1 %."
    )
    services = [name for name in telemetry if name != "calls"]
    sides = list(telemetry[services[0]])
    rows = [
        [side, *(f"{telemetry[name][side]['cpuUs']:.0f} ({telemetry[name][side]['ratio']:.2f})" for name in services)]
        for side in sides
    ]
    yield table(["", *services], rows)
    yield table(["one call", "µs"], [[name, f"{cost:.2f}"] for name, cost in telemetry["calls"].items()])


def _growth(growth: Json) -> Iterator[str]:
    if not growth:
        return
    yield "## As it grows"
    for dimension, steps in growth.items():
        extras = sorted({name for step in steps for name in step.get("extra", {})})
        rows = [
            [
                f"{step['size']:,}",
                f"{step['per_second']:,.0f}",
                f"{step['cpu_us']:,.1f}",
                f"{step['memory_mib']:,.0f}",
                *(f"{step['extra'][name]:,.1f}" if name in step.get("extra", {}) else "-" for name in extras),
            ]
            for step in steps
        ]
        yield table([dimension, "per second", "CPU µs each", "memory MiB", *extras], rows)
