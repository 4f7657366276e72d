"""The comparison as lines for a terminal and as Markdown. Pure."""

from collections.abc import Mapping
from typing import Any, Final

_TITLES: Final = {
    "ours": "`at_least_once.py`",
    "faststream": "FastStream, options alone",
    "guarded": "FastStream and code of ours",
}


def markdown(found: Mapping[str, Any]) -> list[str]:
    """Two tables: what each kind costs, and what was seen of it when something was wrong."""
    kinds = list(_TITLES)
    head = ["", "| | " + " | ".join(_TITLES.values()) + " |", "|---" * (len(kinds) + 1) + "|"]
    lines = []
    if costs := found.get("costs"):
        lines += head
        lines += [_row(name, [_cost(name, by_kind[kind]) for kind in kinds]) for name, by_kind in costs.items()]
        lines.append(_row("memory, idle", [f"{costs['idle'][kind]['memoryMiB']:.1f} MiB" for kind in kinds]))
    if behaviour := found.get("behaviour"):
        lines += head
        lines += [_row(fault, [by_kind[kind] for kind in kinds]) for fault, by_kind in behaviour.items()]
    return lines


def _cost(name: str, one: Mapping[str, float]) -> str:
    if name == "idle":
        return f"{one['cpuUs'] / 1000:.2f} ms of CPU a second ({one['ratio']:.2f})"
    return f"{one['cpuUs']:.1f} µs a record ({one['ratio']:.2f}), {one['perSecond']:,.0f}/s"


def _row(name: str, cells: list[str]) -> str:
    return f"| {name} | " + " | ".join(cells) + " |"
