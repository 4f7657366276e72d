"""Median, p90 and largest of files and functions: `make sizes`. The habit to keep stands in CONTRIBUTING.md."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("libs/*/src", "services/*/src", "tools/*/src", "examples/*/src")
SMALLEST_FILE = 5  # shorter ones (package markers) would only flatter the median


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


def summary(name: str, sizes: list[tuple[int, str]]) -> str:
    """One line of the table."""
    ordered = sorted(sizes)
    at = lambda share: ordered[min(len(ordered) - 1, int(len(ordered) * share))][0]  # noqa: E731  # used twice, here
    return f"{name:10} {len(ordered):6} {at(0.5):7} {at(0.9):5} {ordered[-1][0]:8}   {ordered[-1][1]}"


def main() -> int:
    """Print the table."""
    files = [(len(p.read_text().splitlines()), str(p.relative_to(ROOT))) for p in sources(ROOMS)]
    files = [entry for entry in files if entry[0] > SMALLEST_FILE]
    print(f"{'':10} {'count':>6} {'median':>7} {'p90':>5} {'largest':>8}")
    print(summary("files", files))
    print(summary("functions", [entry for path in sources(ROOMS) for entry in functions(path)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
