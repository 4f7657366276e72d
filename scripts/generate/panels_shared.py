"""The panels that stand on the overview, some of them on other dashboards as well (`dashboards.py`)."""

from typing import Final

from grafana import Panel, quantile, rate, share, stat, times

RUNBOOK: Final = "docs/runbook.md"
OURS: Final = 'job=~".*(ingress|conversation|sender|accounts).*"'

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
    "mps",
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
    many=True,
)
MEMORY: Final = Panel(
    "Memory",
    f"Bounded, whatever waits ({RUNBOOK}, a process grows).",
    [("{{job}} {{instance}}", "process_resident_memory_bytes")],
    "bytes",
    many=True,
)
REFUSED: Final = Panel(
    "Refused by the listeners",
    "Slow, endless or too large requests and connections, by reason (docs/operations.md has the reasons).",
    [("{{job}} {{reason}}", rate("whatsapp_http_refused_total", "job, reason"))],
    "reqps",
)
FLOW: Final = (
    stat("Webhooks", "Taken.", rate("whatsapp_webhooks_total", where='outcome="taken"'), "reqps"),
    stat(
        "Webhooks not taken",
        f"Meta has to repeat these ({RUNBOOK}, Meta's webhooks get 503).",
        share("whatsapp_webhooks_total", 'outcome=~"unavailable|failed"'),
        "percentunit",
        0.01,
    ),
    stat("Answers, p99", "Meta asks for 1 s.", quantile(0.99, "whatsapp_webhook_seconds"), "s", 1.0),
    stat(
        "Webhook to event, p99",
        f"How late the AI gets messages ({RUNBOOK}, a consumer lags).",
        quantile(0.99, "whatsapp_webhook_to_event_seconds"),
        "s",
        10.0,
    ),
    stat("Sends", "Accepted by Meta.", rate("whatsapp_sends_total", where='outcome="accepted"'), "mps"),
    stat(
        "Sends that fail",
        f"Of those that end ({RUNBOOK}, sends fail).",
        share("whatsapp_sends_total", 'outcome="failed"', 'outcome=~"accepted|failed"'),
        "percentunit",
        0.1,
    ),
)
TROUBLE: Final = (
    stat(
        "Processes down",
        f"Do not answer ({RUNBOOK}, a process starts and never becomes ready).",
        f"count(up{{{OURS}}} == 0) or vector(0)",
        red=1,
    ),
    stat("Consumer lag", f"All groups ({RUNBOOK}, a consumer lags).", "sum(whatsapp_consumer_lag_records)", red=10_000),
    stat(
        "Dead letters, last hour",
        f"All topics ({RUNBOOK}, records in a dead-letter topic).",
        "round(sum(increase(sum by (topic, instance) (whatsapp_dead_letters_total)[1h:])))",
        red=1,
    ),
    stat("Meta away", f"Only probes go ({RUNBOOK}, Meta is down).", "sum(whatsapp_breaker_open)", red=1),
    stat(
        "Numbers held",
        f"Wait for a token or their account ({RUNBOOK}, sends of one number wait).",
        "sum(whatsapp_numbers_held)",
        red=1,
    ),
    stat("In doubt", f"{RUNBOOK}, a send is in doubt.", 'sum(whatsapp_sends_waiting{state="in_doubt"})', red=20),
)
