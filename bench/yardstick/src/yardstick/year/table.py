"""The measurements as tables in Markdown. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

LIMIT_MS: Final = 20.0
"""What a query may take at p95."""

Sizes = Mapping[int, Mapping[str, Any]]
"""By the messages that are stored: what `measuring.Measured` has."""


def tables(sizes: Sizes) -> str:
    """Both tables. What takes longer than the limit is bold; one that may is marked with its reason."""
    about = "Milliseconds at p50 and p95, as the caller sees them, with everything on one machine."
    return "\n".join(
        [about, "", "### Calls of the read API", "", *_calls(sizes), "", "### Commands", "", *_commands(sizes), ""]
    )


def slow(sizes: Sizes) -> list[str]:
    """The commands that take longer than the limit at the largest size, and have no reason."""
    commands = sizes[max(sizes)]["commands"]
    return [row["place"] for row in commands if row["times"]["p95"] > LIMIT_MS and not row["because"]]


def _calls(sizes: Sizes) -> list[str]:
    names = dict.fromkeys(name for size in sizes.values() for name in size["calls"])
    lines = [_row([name, *(_times(size["calls"].get(name)) for size in sizes.values())]) for name in names]
    return [*_head(["call"], sizes), *lines]


def _commands(sizes: Sizes) -> list[str]:
    by_key = {number: {_key(row): row for row in size["commands"]} for number, size in sizes.items()}
    keys = dict.fromkeys(key for rows in by_key.values() for key in rows)
    return [*_head(_TEXTS, sizes), *(_command([rows.get(key) for rows in by_key.values()]) for key in keys)]


_TEXTS: Final = ("place", "collection", "index", "exempt, because", "looked at ÷ given")


def _command(there: Sequence[Mapping[str, Any] | None]) -> str:
    last = next(row for row in reversed(there) if row)
    shown = [f"`{last['place']}`", f"`{last['collection']}`", last["index"], last["because"]]
    return _row(
        [*shown, f"{last['documents']:,} ÷ {last['returned']:,}", *(_times(row and row["times"]) for row in there)]
    )


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["place"], row["collection"]


def _times(times: Mapping[str, Any] | None) -> str:
    if not times:
        return "-"
    shown = f"{times['p50']:.1f} / {times['p95']:.1f}"
    return f"**{shown}**" if times["p95"] > LIMIT_MS else shown


def _head(texts: Sequence[str], sizes: Sizes) -> list[str]:
    names = [*texts, *(f"{messages:,} messages" for messages in sizes)]
    return [_row(names), f"|{'---|' * len(texts)}{'---:|' * len(sizes)}"]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
