"""Dashboards as Grafana imports them, from rows of panels: what `dashboards.py` writes.

A panel is a title, what to look for, and PromQL. Everything else follows: the grid, colours, legends, exemplars where a
metric has them, the variables for the data source and, where it is asked for, the chatbot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

TRACED: Final = (
    "whatsapp_webhook_seconds",
    "whatsapp_webhook_to_event_seconds",
    "whatsapp_send_seconds",
    "whatsapp_graph_call_seconds",
)
"""The histograms whose exemplars are trace ids. The others have no exemplars to query."""

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH: Final = 24
_STAT_HEIGHT: Final = 5  # a smaller stat has no room for its graph
_HEIGHT: Final = 8
_IN_A_ROW: Final = {1: 1, 2: 2, 3: 3, 4: 2}  # of panels; of more: three


@dataclass(frozen=True, slots=True)
class Panel:
    """`queries` are (legend, PromQL); `look` is its description, `red` the value from which it is bad.

    `many` series are lines alone, with the legend at the right, where it scrolls: at the bottom it takes their room.
    `top` ends the axis.
    """

    title: str
    look: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    red: float | None = None
    many: bool = False
    top: float | None = None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`rows` of panels; with `tenant` there is a variable `chatbot_id`."""

    uid: str
    title: str
    rows: Sequence[tuple[str, Sequence[Panel]]]
    tenant: bool = False


def stat(title: str, look: str, promql: str, unit: str = "short", red: float | None = None) -> Panel:
    """One number. It is blue if no value is bad by itself."""
    return Panel(title, look, [(title, promql)], unit, "stat", red)


def rate(metric: str, by: str = "", where: str = "") -> str:
    """The rate of a counter, summed by labels."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{f'{{{where}}}' if where else ''}[$__rate_interval]))"


def share(metric: str, bad: str, of: str = "") -> str:
    """The share of a counter's rate with the labels `bad`; 0 also if nothing is counted."""
    return f"({rate(metric, where=bad)} or vector(0)) / clamp_min({rate(metric, where=of)}, 0.001)"


def quantile(part: float, histogram: str, by: str = "", where: str = "") -> str:
    """A quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({part}, {rate(f'{histogram}_bucket', labels, where)})"


def times(histogram: str, by: str = "", where: str = "") -> list[tuple[str, str]]:
    """Median and 99 %."""
    name = f" {{{{{by}}}}}" if by else ""
    return [(f"p{percent:g}{name}", quantile(percent / 100, histogram, by, where)) for percent in (50, 99)]


def document(board: Dashboard) -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in board.rows:
        panels.append({"type": "row", "title": title, "gridPos": {"x": 0, "y": top, "w": _WIDTH, "h": 1}, "panels": []})
        top += 1
        stats = all(panel.kind == "stat" for panel in row)
        height = _STAT_HEIGHT if stats else _HEIGHT
        side_by_side = len(row) if stats else _IN_A_ROW.get(len(row), 3)
        width = _WIDTH // side_by_side
        for place, panel in enumerate(row):
            x, y = place % side_by_side * width, top + place // side_by_side * height
            panels.append({"id": len(panels) + 1, **_panel(panel, {"x": x, "y": y, "w": width, "h": height})})
        top += -(-len(row) // side_by_side) * height
    return {
        "uid": board.uid,
        "title": board.title,
        "tags": ["whatsapp-cloud"],
        "schemaVersion": 41,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _variables(board)},
        "panels": panels,
    }


def _panel(panel: Panel, at: dict[str, int]) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.look,
        "gridPos": at,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _SOURCE,
                "expr": promql,
                "legendFormat": legend,
                "exemplar": panel.kind == "timeseries" and any(f"{name}_bucket" in promql for name in TRACED),
            }
            for number, (legend, promql) in enumerate(panel.queries)
        ],
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    neutral = "blue" if panel.kind == "stat" and panel.red is None else "green"
    steps: list[dict[str, Any]] = [{"color": neutral, "value": None}]
    if panel.red is not None:
        steps.append({"color": "red", "value": panel.red})
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.top is not None:
        defaults |= {"max": panel.top, "decimals": 0}
    if panel.kind == "timeseries":
        style = {"mode": "off" if panel.red is None else "dashed"}
        defaults["custom"] = {"lineWidth": 1, "fillOpacity": 0 if panel.many else 10, "thresholdsStyle": style}
    return defaults


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {"colorMode": "value", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}}
    place = "right" if panel.many else "bottom"
    return {
        "legend": {"showLegend": True, "displayMode": "list", "placement": place, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _variables(board: Dashboard) -> list[dict[str, Any]]:
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}
    if not board.tenant:
        return [source]
    query = "label_values(whatsapp_tenant_sends_total, chatbot_id)"
    chatbot = {"name": "chatbot_id", "type": "query", "datasource": _SOURCE, "query": query, "includeAll": True}
    return [source, {**chatbot, "multi": True, "refresh": 2, "label": "Chatbot"}]
