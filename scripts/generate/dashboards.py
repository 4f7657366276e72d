"""Writes deploy/grafana/dashboards. `make manifests`; `--check` only compares.

This file says what the dashboards show, `grafana.py` how. `make screenshots` draws them with the demo's data
(docs/dashboards.md).
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from grafana import Dashboard, Panel, document, rate, times
from panels_shared import (
    ANSWERS,
    CPU,
    EVENTS,
    FLOW,
    LAG,
    MEMORY,
    REFUSED,
    RUNBOOK,
    SENDS,
    TROUBLE,
    WEBHOOKS,
)
from stale_files import write_stale

FOLDER: Final = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "dashboards"
CHOSEN: Final = 'chatbot_id=~"$chatbot_id"'

OVERVIEW: Final = Dashboard(
    "whatsapp-overview",
    "WhatsApp Cloud: overview",
    [
        ("Flow", FLOW),
        ("Trouble", TROUBLE),
        ("In and out", [WEBHOOKS, ANSWERS, SENDS, EVENTS]),
        (
            "Behind",
            [
                LAG,
                Panel(
                    "Sends that wait",
                    "Sends in memory by state, and sends in MongoDB.",
                    [
                        ("{{state}}", "sum by (state) (whatsapp_sends_waiting)"),
                        ("{{kind}}", "max by (kind) (whatsapp_sends_parked)"),
                    ],
                ),
            ],
        ),
        ("Processes", [CPU, MEMORY, REFUSED]),
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
                    "Messages, statuses and other changes per second.",
                    [("{{kind}}", rate("whatsapp_webhook_facts_total", "kind"))],
                    "eps",
                ),
            ],
        ),
        (
            "Kafka",
            [
                Panel(
                    "Records written",
                    "Records that Kafka confirmed, by topic.",
                    [("{{topic}}", rate("whatsapp_records_written_total", "topic"))],
                    "recps",
                    many=True,
                ),
                Panel(
                    "Not confirmed",
                    f"Writes that failed; callers get 503 and have to repeat ({RUNBOOK}, Meta's webhooks get 503).",
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
                    "Statuses that Meta reported for outbound messages.",
                    [("{{status}}", rate("whatsapp_delivery_statuses_total", "status"))],
                    "eps",
                ),
            ],
        ),
        (
            "Batches",
            [
                Panel(
                    "Records in a batch", "Size of a batch; it grows with the load.", times("whatsapp_batch_records")
                ),
                Panel(
                    "MongoDB",
                    f"Duration by operation ({RUNBOOK}, a transaction did not get through).",
                    times("whatsapp_mongodb_seconds", "operation"),
                    "s",
                    red=2.5,
                ),
                Panel(
                    "MongoDB without a primary",
                    f"For how long processes have known none ({RUNBOOK}, MongoDB has no primary).",
                    [("{{job}}", "max by (job) (whatsapp_mongodb_primary_lost_seconds)")],
                    "s",
                    red=12,
                ),
                Panel(
                    "Answers of secondaries",
                    f"Listings per second that the primary did not answer in time ({RUNBOOK}, MongoDB has no primary).",
                    [("{{outcome}}", rate("whatsapp_mongodb_secondary_reads_total", "outcome"))],
                    "reqps",
                ),
                Panel(
                    "Kafka transactions",
                    "Duration of transactions with events and offsets.",
                    times("whatsapp_kafka_transaction_seconds", "group"),
                    "s",
                ),
            ],
        ),
        (
            "Consumers",
            [
                LAG,
                Panel(
                    "Partitions",
                    "Partitions of each process.",
                    [("{{group}} {{instance}}", "whatsapp_consumer_partitions")],
                ),
                Panel(
                    "Idle",
                    "Time since the last fetch; a session fetches every second.",
                    [("{{group}} {{instance}}", "whatsapp_consumer_idle_seconds")],
                    "s",
                    red=60,
                ),
            ],
        ),
        (
            "Upkeep",
            [
                Panel(
                    "Documents removed",
                    "What had been kept for long enough, by collection.",
                    [("{{collection}}", rate("whatsapp_retention_removed_total", "collection"))],
                ),
                Panel(
                    "Last run",
                    f"Time since a run ended; one begins every six hours ({RUNBOOK}, what is old is not removed).",
                    [("age", "max(whatsapp_retention_age_seconds)")],
                    "s",
                    red=172_800,
                ),
            ],
        ),
        (
            "Records",
            [
                Panel(
                    "Sessions restarted",
                    f"Restarts in ten minutes ({RUNBOOK}, work on partitions begins again and again).",
                    [
                        (
                            "{{group}} {{reason}}",
                            "sum by (group, reason) (increase(whatsapp_session_failures_total[10m]))",
                        )
                    ],
                    red=20,
                    many=True,
                ),
                Panel(
                    "Halted",
                    f"1 while a process has left its group ({RUNBOOK}, a consumer has halted).",
                    [("{{group}} {{instance}}", "whatsapp_consumer_halted")],
                    red=1,
                ),
                Panel(
                    "Records read",
                    "Records that were read, by topic.",
                    [("{{topic}}", rate("whatsapp_records_read_total", "topic"))],
                    "recps",
                    many=True,
                ),
            ],
        ),
        (
            "Dead letters",
            [
                Panel(
                    "In the topics",
                    "Estimated number; it includes replayed letters until Kafka removes them.",
                    [("{{topic}}", "max by (topic) (whatsapp_dead_letter_records)")],
                ),
                Panel(
                    "Why",
                    f"Dead letters by reason, since the processes started ({RUNBOOK}, records in a dead-letter topic).",
                    [("{{topic}} {{reason}}", "sum by (topic, reason) (whatsapp_dead_letters_total)")],
                    many=True,
                ),
                Panel(
                    "By chatbot",
                    "Dead letters by chatbot; `unknown` means that there is no such account.",
                    [("{{chatbot_id}}", "sum by (chatbot_id) (whatsapp_dead_letters_total)")],
                    many=True,
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
                    "Sends not accepted",
                    "By reason: Meta's error code, or our own reason.",
                    [
                        (
                            "{{outcome}} {{reason}}",
                            rate("whatsapp_sends_total", "outcome, reason", 'outcome!="accepted"'),
                        )
                    ],
                    "mps",
                    many=True,
                ),
                Panel(
                    "Request to Meta",
                    "Time from the Kafka record to the first call to Meta.",
                    times("whatsapp_send_seconds"),
                    "s",
                ),
                Panel(
                    "Retries late",
                    "How late retries start; the promise is 250 ms at p99.",
                    times("whatsapp_retry_late_seconds"),
                    "s",
                    red=0.5,
                ),
            ],
        ),
        (
            "Meta",
            [
                Panel("Calls", "Duration of calls, by how they end.", times("whatsapp_graph_call_seconds", "end"), "s"),
                Panel(
                    "Answers",
                    "Meta's answers, by code.",
                    [("{{code}}", rate("whatsapp_graph_answers_total", "code"))],
                    "reqps",
                ),
                Panel(
                    "Meta away",
                    f"1 while the circuit breaker is open ({RUNBOOK}, Meta is down).",
                    [("{{instance}}", "whatsapp_breaker_open")],
                    red=1,
                    top=1,
                ),
            ],
        ),
        (
            "Waiting",
            [
                Panel(
                    "In memory",
                    "Sends in memory, by state.",
                    [("{{state}}", "sum by (state) (whatsapp_sends_waiting)")],
                ),
                Panel(
                    "In MongoDB", "Parked and scheduled sends.", [("{{kind}}", "max by (kind) (whatsapp_sends_parked)")]
                ),
                Panel(
                    "Numbers held",
                    f"Numbers whose sends wait for an operator ({RUNBOOK}, sends of one number wait).",
                    [("numbers", "sum(whatsapp_numbers_held)")],
                    red=1,
                ),
            ],
        ),
        (
            "Stores",
            [
                Panel(
                    "Journal",
                    "Duration of batches.",
                    times("whatsapp_mongodb_seconds", "operation", 'operation=~"journal|load"'),
                    "s",
                ),
                Panel(
                    "API",
                    "Duration of requests, by route.",
                    times("whatsapp_http_request_seconds", "route", 'job=~".*sender.*"'),
                    "s",
                ),
            ],
        ),
    ],
)


def gauge(function: str, metric: str) -> list[tuple[str, str]]:
    """The query of a gauge for the chosen chatbots."""
    return [("{{chatbot_id}}", f"{function} by (chatbot_id) ({metric}{{{CHOSEN}}})")]


TENANT: Final = Dashboard(
    "whatsapp-tenant",
    "WhatsApp Cloud: one tenant",
    [
        (
            "Messages",
            [
                Panel(
                    "Messages",
                    "Incoming and outgoing messages.",
                    [("{{direction}}", rate("whatsapp_tenant_messages_total", "direction", CHOSEN))],
                    "mps",
                ),
                Panel(
                    "Sends by outcome",
                    "Accepted, failed, and so on.",
                    [("{{outcome}}", rate("whatsapp_tenant_sends_total", "outcome", CHOSEN))],
                    "mps",
                ),
            ],
        ),
        (
            "Pace",
            [
                Panel(
                    "Waiting in memory",
                    "Sends in memory; their number is bounded.",
                    gauge("sum", "whatsapp_tenant_waiting_sends"),
                ),
                Panel(
                    "Pace of the number",
                    "Allowed messages per second; it halves after Meta's error 130429.",
                    gauge("max", "whatsapp_number_messages_per_second"),
                    "mps",
                ),
                Panel("Token bucket", "Sends that may go immediately.", gauge("max", "whatsapp_number_tokens")),
            ],
        ),
    ],
    tenant=True,
)
ALL: Final = (OVERVIEW, INGRESS, CONVERSATION, SENDER, TENANT)


def main() -> int:
    """Write or compare the files; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 when a checked-in dashboard is out of date")
    check = parser.parse_args().check
    boards = {board.uid: (FOLDER / f"{board.uid}.json", json.dumps(document(board), indent=1) + "\n") for board in ALL}
    stale = write_stale(boards, check=check)
    if check and stale:
        print(f"dashboards are out of date: {', '.join(stale)}; run 'make manifests'")
        return 1
    print(f"dashboards: {'written ' + ', '.join(stale) if stale else 'up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
