"""The report's pictures, from its JSON: throughput against latency, CPU by stage, cost as it grows."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "yardstick"  # equal measurements make equal files

from matplotlib import pyplot as plt  # noqa: E402  # after the backend is chosen

Json = Mapping[str, Any]

_SIZE: Final = (8, 4.2)
_META_MS: Final = 250
_AT: Final = " at "


def draw(run: Json, folder: Path) -> list[str]:
    """Draw the plots of the run's data; their names without suffix."""
    pictures = {
        "latency": (_latency, run.get("latency")),
        "cpu-by-stage": (_stages, run.get("latency")),
        "cost-against-load": (_load, _paced(run["rounds"])),
        "cost-as-it-grows": (_growth, run.get("growth")),
    }
    drawn = []
    for name, (picture, data) in pictures.items():
        if data:
            figure, axes = plt.subplots(figsize=_SIZE)
            picture(axes, data)
            figure.tight_layout()
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            plt.close(figure)
            drawn.append(name)
    return drawn


def _latency(axes: Any, latency: Json) -> None:
    for chain, found in latency.items():
        rates = [point["rate"] for point in found["points"]]
        for quantile, style in (("p50", "-"), ("p99", "--")):
            axes.plot(
                rates, [point[quantile] for point in found["points"]], style, marker="o", label=f"{chain}, {quantile}"
            )
    axes.axhline(_META_MS, color="grey", linewidth=0.8)
    axes.set(xlabel="offered per second", ylabel="ms, end to end", yscale="log", title="Throughput and latency")
    axes.legend()


def _stages(axes: Any, latency: Json) -> None:
    for chain, found in latency.items():
        point, left = found["points"][len(found["points"]) // 2], 0.0
        for process, share in sorted(point["shares"].items()):
            width = share / max(point["per_second"], 1) * 1e6
            axes.barh(chain, width, left=left, label=process)
            axes.text(left + width / 2, chain, process, ha="center", va="center", fontsize=8)
            left += width
    axes.set(xlabel="CPU µs per message", title="Where the CPU goes, at half of saturation")


def _paced(rounds: Json) -> Json:
    """All sides that were measured at a pace, of all parts."""
    return {side: runs for sides in rounds.values() for side, runs in sides.items() if _AT in side}


def _load(axes: Any, paced: Json) -> None:
    kinds = sorted({side.split(_AT)[0] for side in paced})
    for kind in kinds:
        points = sorted(
            (median(one["perSecond"] for one in runs), median(one["cpuUs"] for one in runs))
            for side, runs in paced.items()
            if side.split(_AT)[0] == kind
        )
        axes.plot(*zip(*points, strict=True), marker="o", label=kind)
    axes.set(xlabel="messages per second", ylabel="CPU µs per message", xscale="log", title="Cost against load")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)


def _growth(axes: Any, growth: Json) -> None:
    for dimension, steps in growth.items():
        base = steps[0]["cpu_us"] or 1.0
        axes.plot(
            [step["size"] for step in steps], [step["cpu_us"] / base for step in steps], marker="o", label=dimension
        )
    axes.set(xlabel="size", ylabel="CPU per message ÷ at the smallest", xscale="log", title="Cost as it grows")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
