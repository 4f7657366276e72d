"""The doctor's findings, and how they are shown. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked: its state (`says`) and the remedy (`fix`, empty if all is well)."""

    about: str
    level: Level
    says: str
    fix: str = ""


def ok(about: str, says: str) -> Finding:
    """All is well."""
    return Finding(about, Level.OK, says)


def problem(about: str, says: str, fix: str) -> Finding:
    """It does not work."""
    return Finding(about, Level.PROBLEM, says, fix)


def warning(about: str, says: str, fix: str) -> Finding:
    """It works now, but not in every situation."""
    return Finding(about, Level.WARNING, says, fix)


def worst(findings: Iterable[Finding]) -> Level:
    """The worst level among them."""
    order = list(Level)
    return max((finding.level for finding in findings), key=order.index, default=Level.OK)


def table(findings: Sequence[Finding]) -> list[str]:
    """The findings as text: a row for each, with the remedy below, and a last line with counts."""
    width = max((len(finding.about) for finding in findings), default=0)
    rows = [line for finding in findings for line in _rows(finding, width)]
    counts = {level: sum(finding.level is level for finding in findings) for level in Level}
    return [*rows, f"{counts[Level.PROBLEM]} problems, {counts[Level.WARNING]} warnings, {counts[Level.OK]} ok"]


def _rows(finding: Finding, width: int) -> list[str]:
    marks = {Level.OK: "ok", Level.WARNING: "WARNING", Level.PROBLEM: "PROBLEM"}
    row = f"{marks[finding.level]:7}  {finding.about:{width}}  {finding.says}"
    return [row, f"{'':7}  {'':{width}}  → {finding.fix}"] if finding.fix else [row]
