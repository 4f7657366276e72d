"""Dashboards and alerts speak of metrics that exist, and alerts of sections of the runbook that exist."""

import json
import re
from pathlib import Path

import pytest

from common.telemetry.metrics import ALL

ROOT = Path(__file__).parents[2]
BOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
ALERTS = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
TESTS = (ROOT / "deploy" / "prometheus" / "alerts.test.yml").read_text()
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
PARTS = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("",), "gauge": ("",)}
KNOWN = {f"{metric.name}{part}": metric for metric in ALL for part in PARTS[metric.kind]}
FROM_PROMETHEUS = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes"}
FROM_KUBERNETES = {"kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"}


def queries():
    for board in BOARDS:
        for panel in json.loads(board.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield pytest.param(target["expr"], id=f"{board.stem}: {panel['title']}")
    for number, promql in enumerate(re.findall(r"expr: (.*?)\n {8}\w", ALERTS, re.DOTALL)):
        yield pytest.param(promql, id=f"alert {number}")


def anchors():
    for title in re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("promql", [*queries()])
def test_every_metric_that_is_asked_for_exists(promql):
    asked = set(re.findall(r"\b((?:whatsapp|process|kubelet)_\w+|up)\b", promql))
    assert asked
    assert asked <= KNOWN.keys() | FROM_PROMETHEUS | FROM_KUBERNETES


@pytest.mark.parametrize("promql", [*queries()])
def test_every_label_that_is_asked_for_exists(promql):
    for name, labels in re.findall(r"\b(whatsapp_\w+)\{([^}]*)\}", promql):
        wanted = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", labels)) - {"job", "instance"}
        assert wanted <= set(KNOWN[name].labels)


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_panels_fit_side_by_side_and_every_series_has_a_name(path):
    panels = json.loads(path.read_text())["panels"]
    taken = [(x, y) for panel in panels for x, y in cells(panel["gridPos"])]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24
    assert all(target["legendFormat"] for panel in panels for target in panel.get("targets", ()))


def cells(at):
    return ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"]))


def test_there_are_dashboards_for_all_metrics_that_matter():
    shown = "".join(board.read_text() for board in BOARDS)
    not_shown = {metric.name for metric in ALL if metric.name not in shown}
    assert len(BOARDS) == 5
    assert not_shown <= {
        "whatsapp_account_changes_total",
        "whatsapp_credentials_requests_total",
        "whatsapp_access_tokens_refused_total",
    }


def test_every_alert_names_a_section_of_the_runbook_and_is_tested():
    names = re.findall(r"- alert: (\w+)", ALERTS)
    sections = re.findall(r"runbook: docs/runbook.md#(\S+)", ALERTS)
    assert len(sections) == len(names) > 15
    assert set(sections) <= set(anchors())
    assert not [name for name in names if name not in TESTS]
