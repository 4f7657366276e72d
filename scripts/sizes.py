"""Median, p90 and largest of files and functions: `make sizes`. It fails if a median or a p90 exceeds `LIMITS`."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("libs/*/src", "services/*/src", "tools/*/src", "examples/*/src")
SMALLEST_FILE = 5  # shorter ones (package markers) would make the median look better
LIMITS: Final = {"files": (110, 250), "functions": (10, 30)}  # lines: median, p90

Sizes = list[tuple[int, str]]


def sources(patterns: tuple[str, ...]) -> Iterator[Path]:
    """The Python files of the rooms."""
    for pattern in patterns:
        for room in sorted(ROOT.glob(pattern)):
            yield from sorted(room.rglob("*.py"))


def functions(path: Path) -> Iterator[tuple[int, str]]:
    """(lines, place) of each function in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield lines, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def at(share: float, sizes: Sizes) -> int:
    """The size below which this share of them is."""
    return sorted(sizes)[min(len(sizes) - 1, int(len(sizes) * share))][0]


def summary(name: str, sizes: Sizes) -> str:
    """One line of the table."""
    largest = max(sizes)
    return f"{name:10} {len(sizes):6} {at(0.5, sizes):7} {at(0.9, sizes):5} {largest[0]:8}   {largest[1]}"


def beyond(name: str, sizes: Sizes) -> list[str]:
    """A sentence for each value beyond its limit."""
    measured = zip(("median", "p90"), (at(0.5, sizes), at(0.9, sizes)), LIMITS[name], strict=True)
    return [f"the {what} of {name} is {now} lines, more than {limit}" for what, now, limit in measured if now > limit]


def main() -> int:
    """Print the table; 1 if a value is beyond its limit."""
    files = [(len(p.read_text().splitlines()), str(p.relative_to(ROOT))) for p in sources(ROOMS)]
    kinds = {
        "files": [entry for entry in files if entry[0] > SMALLEST_FILE],
        "functions": [entry for path in sources(ROOMS) for entry in functions(path)],
    }
    print(f"{'':10} {'count':>6} {'median':>7} {'p90':>5} {'largest':>8}")
    for name, sizes in kinds.items():
        print(summary(name, sizes))
    found = [sentence for name, sizes in kinds.items() for sentence in beyond(name, sizes)]
    for sentence in found:
        print(sentence, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
