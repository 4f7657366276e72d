"""Writes deploy/grafana/dashboards. `make manifests`; `--check` compares only.

Each dashboard is rows of panels; a panel is a title, what to look for, and PromQL. Everything else follows: the grid,
units, exemplars on times, the variables for the data source and, where it is asked for, the chatbot.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "dashboards"
RUNBOOK: Final = "docs/runbook.md"
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH: Final = 24


@dataclass(frozen=True, slots=True)
class Panel:
    """`queries` are (legend, PromQL); `look` says what to look for, `red` from which value on it is bad."""

    title: str
    look: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    red: float | None = None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`rows` of panels; with `tenant` there is a variable `chatbot_id`."""

    uid: str
    title: str
    rows: Sequence[tuple[str, Sequence[Panel]]]
    tenant: bool = False


def rate(metric: str, by: str = "", where: str = "") -> str:
    """The rate of a counter, summed by labels."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{f'{{{where}}}' if where else ''}[$__rate_interval]))"


def quantile(share: float, histogram: str, by: str = "", where: str = "") -> str:
    """A quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', labels, where)})"


def times(histogram: str, by: str = "", where: str = "") -> list[tuple[str, str]]:
    """Median and 99 %."""
    name = f" {{{{{by}}}}}" if by else ""
    return [(f"p{share:g}{name}", quantile(share / 100, histogram, by, where)) for share in (50, 99)]


WEBHOOKS: Final = Panel(
    "Webhooks",
    "Outcomes a second; all should be `taken`.",
    [("{{outcome}}", rate("whatsapp_webhooks_total", "outcome"))],
    "reqps",
)
ANSWERS: Final = Panel(
    "Answers to webhooks",
    f"Meta's rule: median up to 250 ms, 99 % up to 1 s ({RUNBOOK}, webhooks are answered slowly).",
    times("whatsapp_webhook_seconds"),
    "s",
    red=1.0,
)
SENDS: Final = Panel(
    "Sends",
    f"What steps end in ({RUNBOOK}, sends fail).",
    [("{{outcome}}", rate("whatsapp_sends_total", "outcome"))],
    "reqps",
)
LAG: Final = Panel(
    "Consumer lag",
    f"Records behind, by group ({RUNBOOK}, a consumer lags).",
    [("{{group}}", "sum by (group) (whatsapp_consumer_lag_records)")],
    red=10_000,
)
EVENTS: Final = Panel(
    "Webhook to event",
    "From Meta's POST to `incoming-messages`.",
    times("whatsapp_webhook_to_event_seconds"),
    "s",
    red=10.0,
)
CPU: Final = Panel(
    "CPU",
    "Cores of each process; one is all an event loop can use.",
    [("{{job}} {{instance}}", "rate(process_cpu_seconds_total[$__rate_interval])")],
)
MEMORY: Final = Panel(
    "Memory",
    f"Bounded, whatever waits ({RUNBOOK}, a process grows).",
    [("{{job}} {{instance}}", "process_resident_memory_bytes")],
    "bytes",
)
STATS: Final = (
    Panel("Webhooks/s", "Taken.", [("", rate("whatsapp_webhooks_total", where='outcome="taken"'))], "reqps", "stat"),
    Panel("Answers p99", "Meta asks for 1 s.", [("", quantile(0.99, "whatsapp_webhook_seconds"))], "s", "stat", 1.0),
    Panel(
        "Sends/s",
        "Accepted by Meta.",
        [("", rate("whatsapp_sends_total", where='outcome="accepted"'))],
        "reqps",
        "stat",
    ),
    Panel(
        "In doubt",
        f"{RUNBOOK}, a send is in doubt.",
        [("", 'sum(whatsapp_sends_waiting{state="in_doubt"})')],
        "short",
        "stat",
        20,
    ),
    Panel("Lag", "All groups.", [("", "sum(whatsapp_consumer_lag_records)")], "short", "stat", 10_000),
    Panel(
        "Dead letters",
        f"What the topics hold ({RUNBOOK}, records in a dead-letter topic).",
        [("", "sum(max by (topic) (whatsapp_dead_letter_records))")],
        "short",
        "stat",
        1,
    ),
    Panel(
        "Meta away",
        f"1: only probes go ({RUNBOOK}, Meta is down).",
        [("", "max(whatsapp_breaker_open)")],
        "short",
        "stat",
        1,
    ),
    Panel(
        "Numbers held", "Wait for a token or their account.", [("", "sum(whatsapp_numbers_held)")], "short", "stat", 1
    ),
)

OVERVIEW: Final = Dashboard(
    "whatsapp-overview",
    "WhatsApp Cloud: overview",
    [
        ("Now", STATS),
        ("In and out", [WEBHOOKS, ANSWERS, SENDS, EVENTS]),
        (
            "Behind",
            [
                LAG,
                Panel(
                    "Sends that wait",
                    "In memory by state, and in MongoDB.",
                    [
                        ("{{state}}", "sum by (state) (whatsapp_sends_waiting)"),
                        ("{{kind}}", "max by (kind) (whatsapp_sends_parked)"),
                    ],
                ),
            ],
        ),
        ("Processes", [CPU, MEMORY]),
    ],
)
INGRESS: Final = Dashboard(
    "whatsapp-ingress",
    "WhatsApp Cloud: ingress",
    [
        (
            "Webhooks",
            [
                WEBHOOKS,
                ANSWERS,
                Panel(
                    "What webhooks say",
                    "Messages, statuses and other changes a second.",
                    [("{{kind}}", rate("whatsapp_webhook_facts_total", "kind"))],
                    "reqps",
                ),
            ],
        ),
        (
            "Kafka",
            [
                Panel(
                    "Records written",
                    "Confirmed by Kafka, by topic.",
                    [("{{topic}}", rate("whatsapp_records_written_total", "topic"))],
                    "reqps",
                ),
                Panel(
                    "Not confirmed",
                    f"Callers were told to come again ({RUNBOOK}, Meta's webhooks get 503).",
                    [("{{job}}", rate("whatsapp_publish_failures_total", "job"))],
                    "reqps",
                    red=0.1,
                ),
            ],
        ),
        ("Processes", [CPU, MEMORY]),
    ],
)
CONVERSATION: Final = Dashboard(
    "whatsapp-conversation",
    "WhatsApp Cloud: conversation and Kafka",
    [
        (
            "Events",
            [
                EVENTS,
                Panel(
                    "Statuses",
                    "Meta's words about outbound messages.",
                    [("{{status}}", rate("whatsapp_delivery_statuses_total", "status"))],
                    "reqps",
                ),
            ],
        ),
        (
            "Batches",
            [
                Panel("Records in a batch", "Grows with the load.", times("whatsapp_batch_records")),
                Panel(
                    "MongoDB",
                    f"{RUNBOOK}, a transaction did not get through.",
                    times("whatsapp_mongodb_seconds", "operation"),
                    "s",
                    red=2.5,
                ),
                Panel(
                    "Kafka transactions",
                    "Events and offsets.",
                    times("whatsapp_kafka_transaction_seconds", "group"),
                    "s",
                ),
            ],
        ),
        (
            "Consumers",
            [
                LAG,
                Panel("Partitions", "Of each process.", [("{{group}} {{instance}}", "whatsapp_consumer_partitions")]),
                Panel(
                    "Begun again",
                    f"{RUNBOOK}, work on partitions begins again and again.",
                    [("{{group}} {{reason}}", rate("whatsapp_session_failures_total", "group, reason"))],
                    "reqps",
                ),
                Panel(
                    "Records read", "By topic.", [("{{topic}}", rate("whatsapp_records_read_total", "topic"))], "reqps"
                ),
                Panel(
                    "Dead letters",
                    "By reason.",
                    [("{{topic}} {{reason}}", rate("whatsapp_dead_letters_total", "topic, reason"))],
                    "reqps",
                ),
                Panel(
                    "Idle",
                    "A session fetches every second.",
                    [("{{group}} {{instance}}", "whatsapp_consumer_idle_seconds")],
                    "s",
                    red=60,
                ),
            ],
        ),
    ],
)
SENDER: Final = Dashboard(
    "whatsapp-sender",
    "WhatsApp Cloud: sender",
    [
        (
            "Sends",
            [
                SENDS,
                Panel(
                    "Why not",
                    "By reason: Meta's code, or ours.",
                    [
                        (
                            "{{outcome}} {{reason}}",
                            rate("whatsapp_sends_total", "outcome, reason", 'outcome!="accepted"'),
                        )
                    ],
                    "reqps",
                ),
                Panel("Request to Meta", "First attempts, from their record on.", times("whatsapp_send_seconds"), "s"),
            ],
        ),
        (
            "Meta",
            [
                Panel("Calls", "How long, by how they end.", times("whatsapp_graph_call_seconds", "end"), "s"),
                Panel("Answers", "By code.", [("{{code}}", rate("whatsapp_graph_answers_total", "code"))], "reqps"),
                Panel("Meta away", f"{RUNBOOK}, Meta is down.", [("{{instance}}", "whatsapp_breaker_open")], red=1),
            ],
        ),
        (
            "Waiting",
            [
                Panel("In memory", "By state.", [("{{state}}", "sum by (state) (whatsapp_sends_waiting)")]),
                Panel("In MongoDB", "Parked and scheduled.", [("{{kind}}", "max by (kind) (whatsapp_sends_parked)")]),
                Panel("Retries late", "Promised: 250 ms at p99.", times("whatsapp_retry_late_seconds"), "s", red=0.5),
                Panel(
                    "Numbers held", f"{RUNBOOK}, sends of one number wait.", [("", "sum(whatsapp_numbers_held)")], red=1
                ),
            ],
        ),
        (
            "Stores",
            [
                Panel(
                    "Journal",
                    "Batches.",
                    times("whatsapp_mongodb_seconds", "operation", 'operation=~"journal|load"'),
                    "s",
                ),
                Panel("API", "By route.", times("whatsapp_http_request_seconds", "route", 'job=~".*sender.*"'), "s"),
            ],
        ),
    ],
)
TENANT: Final = Dashboard(
    "whatsapp-tenant",
    "WhatsApp Cloud: one tenant",
    [
        (
            "Messages",
            [
                Panel(
                    "Messages",
                    "In and out.",
                    [
                        (
                            "{{direction}}",
                            rate("whatsapp_tenant_messages_total", "direction", 'chatbot_id=~"$chatbot_id"'),
                        )
                    ],
                    "reqps",
                ),
                Panel(
                    "Ends of sends",
                    "Accepted, failed, …",
                    [("{{outcome}}", rate("whatsapp_tenant_sends_total", "outcome", 'chatbot_id=~"$chatbot_id"'))],
                    "reqps",
                ),
            ],
        ),
        (
            "Pace",
            [
                Panel(
                    "Waiting in memory",
                    "Its room is bounded.",
                    [
                        (
                            "{{chatbot_id}}",
                            'sum by (chatbot_id) (whatsapp_tenant_waiting_sends{chatbot_id=~"$chatbot_id"})',
                        )
                    ],
                ),
                Panel(
                    "Pace of the number",
                    "Halves after Meta's 130429.",
                    [
                        (
                            "{{chatbot_id}}",
                            'max by (chatbot_id) (whatsapp_number_messages_per_second{chatbot_id=~"$chatbot_id"})',
                        )
                    ],
                    "reqps",
                ),
                Panel(
                    "Token bucket",
                    "Sends that may go at once.",
                    [("{{chatbot_id}}", 'max by (chatbot_id) (whatsapp_number_tokens{chatbot_id=~"$chatbot_id"})')],
                ),
            ],
        ),
    ],
    tenant=True,
)
ALL: Final = (OVERVIEW, INGRESS, CONVERSATION, SENDER, TENANT)


def document(board: Dashboard) -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in board.rows:
        panels.append({"type": "row", "title": title, "gridPos": {"x": 0, "y": top, "w": _WIDTH, "h": 1}, "panels": []})
        height = 4 if all(panel.kind == "stat" for panel in row) else 8
        each = max(3, min(12, _WIDTH // min(len(row), 8 if height == 4 else 3)))
        for place, panel in enumerate(row):
            at = {"x": place * each % _WIDTH, "y": top + 1 + place * each // _WIDTH * height, "w": each, "h": height}
            panels.append({"id": len(panels) + 1, **_panel(panel, at)})
        top += 1 + -(-len(row) * each // _WIDTH) * height
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
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red is not None:
        steps.append({"color": "red", "value": panel.red})
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries" and panel.red is not None:
        defaults["custom"] = {"thresholdsStyle": {"mode": "dashed"}}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.look,
        "gridPos": at,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}} if panel.kind == "timeseries" else {},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _SOURCE,
                "expr": promql,
                "legendFormat": legend,
                "exemplar": "_seconds_bucket" in promql,
            }
            for number, (legend, promql) in enumerate(panel.queries)
        ],
    }


def _variables(board: Dashboard) -> list[dict[str, Any]]:
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}
    if not board.tenant:
        return [source]
    query = "label_values(whatsapp_tenant_sends_total, chatbot_id)"
    chatbot = {"name": "chatbot_id", "type": "query", "datasource": _SOURCE, "query": query, "includeAll": True}
    return [source, {**chatbot, "multi": True, "refresh": 2, "label": "Chatbot"}]


def main() -> int:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 when a checked-in dashboard is out of date")
    check = parser.parse_args().check
    FOLDER.mkdir(parents=True, exist_ok=True)
    stale = []
    for board in ALL:
        path, content = FOLDER / f"{board.uid}.json", json.dumps(document(board), indent=1) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            stale.append(board.uid)
            if not check:
                path.write_text(content, encoding="utf-8")
    if check and stale:
        print(f"dashboards are out of date: {', '.join(stale)}; run 'make manifests'")
        return 1
    print(f"dashboards: {'written ' + ', '.join(stale) if stale else 'up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
