"""The attacks as a table and as JSON. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from hostile.attacks import Done
from hostile.machine import Seen

_WIDTHS: Final = (32, 7, 6, 24, 24, 6, 5, 7, 42)
_HEAD: Final = (
    *("attack", "count", "harm", "good webhooks p50/p99/max", "good sends p50/p99/max", "lost", "5xx", "halted"),
    "peak MiB: ingress, conversation, sender, accounts",
)
MEMORY_MIB: Final = 400
"""The memory that each process may use at its peak."""

SLOWEST_MS: Final = 5_000.0
"""The longest time for a webhook or a send of the good tenant, including retries, on a busy machine."""


@dataclass(frozen=True, slots=True)
class Row:
    """One attack, and what it did. `answers` counts the answers of all services to both sides, by status."""

    name: str
    seconds: float
    done: Done
    webhooks: Mapping[str, float]
    sends: Mapping[str, float]
    lost: int
    answers: Mapping[int, int]
    seen: Seen
    errors: Sequence[str] = ()

    @property
    def server_errors(self) -> int:
        """Answers of 500 and above, except 503, which asks to repeat."""
        return sum(count for status, count in self.answers.items() if status >= 500 and status != 503)

    @property
    def works(self) -> bool:
        """Whether the system can be used for another attack."""
        seen = self.seen
        # Python keeps its memory, so the next attack would show this attack's peak.
        large = any(mib > MEMORY_MIB for mib in seen.peak_mib.values())
        return not (self.lost or seen.halted or seen.not_ready or seen.ended or self.webhooks["givenUp"] or large)

    @property
    def broken(self) -> list[str]:
        """The rules that this attack broke."""
        peaks = {name: mib for name, mib in self.seen.peak_mib.items() if mib > MEMORY_MIB}
        slowest = {"webhook": self.webhooks["max"], "send": self.sends["max"]}
        return [
            *([f"{self.done.harm} blows did harm"] if self.done.harm else []),
            *([f"the good tenant lost {self.lost}"] if self.lost else []),
            *([f"{self.webhooks['givenUp']:.0f} webhooks not taken"] if self.webhooks["givenUp"] else []),
            *([f"{self.sends['givenUp']:.0f} sends not taken"] if self.sends["givenUp"] else []),
            *([f"{self.server_errors} answers of 5xx"] if self.server_errors else []),
            *([f"{self.seen.halted} consumers halted"] if self.seen.halted else []),
            *([f"not ready: {', '.join(self.seen.not_ready)}"] if self.seen.not_ready else []),
            *([f"ended: {', '.join(self.seen.ended)}"] if self.seen.ended else []),
            *(f"a {name} took {ms / 1000:.1f} s" for name, ms in slowest.items() if ms > SLOWEST_MS),
            *(f"{name} used {mib:.0f} MiB" for name, mib in peaks.items()),
        ]


def as_text(rows: Sequence[Row]) -> str:
    """The table, what each attacker achieved, and a line with the verdict."""
    lines = [_line(_HEAD), *(_line(_cells(row)) for row in rows), ""]
    for row in rows:
        lines += [f"{row.name} ({row.seconds:.0f} s): {row.done.achieved}", *(f"    {one}" for one in _more(row))]
    bad = [row.name for row in rows if row.broken]
    return "\n".join([*lines, "", f"attack: {len(rows)} attacks, {len(bad)} of them did harm"])


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The report as JSON."""
    return [asdict(row) | {"serverErrors": row.server_errors, "broken": row.broken} for row in rows]


def _cells(row: Row) -> Iterable[str]:
    yield row.name
    yield str(row.done.count)
    yield str(row.done.harm)
    for times in (row.webhooks, row.sends):
        yield f"{times['p50']:.0f} / {times['p99']:.0f} / {times['max']:.0f} ms"
    yield str(row.lost)
    yield str(row.server_errors)
    yield str(row.seen.halted)
    yield ", ".join(f"{mib:.0f}" for mib in row.seen.peak_mib.values())


def _more(row: Row) -> Iterable[str]:
    yield from (f"BROKEN: {what}" for what in row.broken)
    yield from row.errors
    yield from row.done.details[:12]
    yield f"answers {dict(sorted(row.answers.items()))}, good webhooks refused {row.webhooks['refused']:.0f} times,"
    yield f"connections {row.seen.connections}, sessions that began again {row.seen.failures}, disk {row.seen.disk_mib:.0f} MiB"


def _line(cells: Iterable[str]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()
