"""The dashboards' JSON as Grafana imports it, and their queries as Grafana sends them. Pure."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parents[4] / "deploy" / "grafana" / "dashboards"

Json = dict[str, Any]

_SELECTOR: Final = re.compile(r"\b((?:whatsapp|process)_\w+|up)\b(\{[^}]*\})?")


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel."""

    board: str
    panel: int
    title: str
    ref: str
    promql: str
    exemplars: bool

    @property
    def place(self) -> str:
        """Dashboard, panel and query letter, for an operator."""
        return f"{self.board}: {self.title} ({self.ref})"


def read(folder: Path = FOLDER) -> list[Json]:
    """The dashboards, the overview first."""
    boards = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return sorted(boards, key=lambda board: ("overview" not in board["uid"], board["uid"]))


def queries_of(boards: Iterable[Json]) -> list[Query]:
    """Every query of every panel, as written."""
    return [
        Query(board["uid"], panel["id"], panel["title"], target["refId"], target["expr"], bool(target.get("exemplar")))
        for board in boards
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]


def rate_interval(scrape_seconds: int, step_seconds: int) -> int:
    """`$__rate_interval`, as Grafana's documentation defines it: max of step + scrape interval and four scrapes."""
    return max(step_seconds + scrape_seconds, 4 * scrape_seconds)


def filled(promql: str, variables: Mapping[str, Sequence[str]], rate_seconds: int) -> str:
    """PromQL as Grafana sends it: the intervals, and each variable as a regular expression of all of its values."""
    filled_in = promql.replace("$__rate_interval", f"{rate_seconds}s")
    for name, values in variables.items():
        choice = "|".join(re.escape(value).replace("\\-", "-") for value in values).replace("\\", "\\\\")
        filled_in = filled_in.replace(f"${name}", f"({choice})")
    return filled_in


def selectors(promql: str) -> list[str]:
    """The series that an expression reads, without ranges."""
    return sorted({name + (labels or "") for name, labels in _SELECTOR.findall(promql)})
