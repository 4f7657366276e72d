"""The panels of the overview. Some of them are on other dashboards too (`dashboards.py`)."""

from typing import Final

from grafana import Panel, quantile, rate, share, stat, times

RUNBOOK: Final = "docs/runbook.md"
OURS: Final = 'job=~".*(ingress|conversation|sender|accounts).*"'

WEBHOOKS: Final = Panel(
    "Webhooks",
    "Outcomes per second; all should be `taken`.",
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
    f"Outcomes of attempts per second ({RUNBOOK}, sends fail).",
    [("{{outcome}}", rate("whatsapp_sends_total", "outcome"))],
    "mps",
)
LAG: Final = Panel(
    "Consumer lag",
    f"Records that are not yet read, by group ({RUNBOOK}, a consumer lags).",
    [("{{group}}", "sum by (group) (whatsapp_consumer_lag_records)")],
    red=10_000,
)
EVENTS: Final = Panel(
    "Webhook to event",
    "Time from Meta's POST to the event on `incoming-messages`.",
    times("whatsapp_webhook_to_event_seconds"),
    "s",
    red=10.0,
)
CPU: Final = Panel(
    "CPU",
    "Cores of each process; an event loop can use at most one.",
    [("{{job}} {{instance}}", "rate(process_cpu_seconds_total[$__rate_interval])")],
    many=True,
)
MEMORY: Final = Panel(
    "Memory",
    f"Resident memory; it is bounded, also with a backlog ({RUNBOOK}, a process grows).",
    [("{{job}} {{instance}}", "process_resident_memory_bytes")],
    "bytes",
    many=True,
)
REFUSED: Final = Panel(
    "Refused by the listeners",
    "Requests and connections that were too slow, too long or too large, by reason (docs/operations.md).",
    [("{{job}} {{reason}}", rate("whatsapp_http_refused_total", "job, reason"))],
    "reqps",
)
FLOW: Final = (
    stat(
        "Webhooks",
        "Webhooks that were taken, per second.",
        rate("whatsapp_webhooks_total", where='outcome="taken"'),
        "reqps",
    ),
    stat(
        "Webhooks not taken",
        f"Share that Meta has to repeat ({RUNBOOK}, Meta's webhooks get 503).",
        share("whatsapp_webhooks_total", 'outcome=~"unavailable|failed"'),
        "percentunit",
        0.01,
    ),
    stat(
        "Answers, p99",
        "Time to answer a webhook; Meta allows 1 s.",
        quantile(0.99, "whatsapp_webhook_seconds"),
        "s",
        1.0,
    ),
    stat(
        "Webhook to event, p99",
        f"How late the AI gets messages ({RUNBOOK}, a consumer lags).",
        quantile(0.99, "whatsapp_webhook_to_event_seconds"),
        "s",
        10.0,
    ),
    stat(
        "Sends",
        "Sends that Meta accepted, per second.",
        rate("whatsapp_sends_total", where='outcome="accepted"'),
        "mps",
    ),
    stat(
        "Sends that fail",
        f"Share of all finished sends ({RUNBOOK}, sends fail).",
        share("whatsapp_sends_total", 'outcome="failed"', 'outcome=~"accepted|failed"'),
        "percentunit",
        0.1,
    ),
)
TROUBLE: Final = (
    stat(
        "Processes down",
        f"Processes that do not answer ({RUNBOOK}, a process starts and never becomes ready).",
        f"count(up{{{OURS}}} == 0) or vector(0)",
        red=1,
    ),
    stat(
        "Consumer lag",
        f"Unread records of all groups ({RUNBOOK}, a consumer lags).",
        "sum(whatsapp_consumer_lag_records)",
        red=10_000,
    ),
    stat(
        "Dead letters, last hour",
        f"New dead letters in all topics ({RUNBOOK}, records in a dead-letter topic).",
        "round(sum(increase(sum by (topic, instance) (whatsapp_dead_letters_total)[1h:])))",
        red=1,
    ),
    stat(
        "Meta away",
        f"Processes that send only probes to Meta ({RUNBOOK}, Meta is down).",
        "sum(whatsapp_breaker_open)",
        red=1,
    ),
    stat(
        "Numbers held",
        f"Numbers that need a new token, or whose account needs attention ({RUNBOOK}, sends of one number wait).",
        "sum(whatsapp_numbers_held)",
        red=1,
    ),
    stat(
        "In doubt",
        f"Sends without a known result ({RUNBOOK}, a send is in doubt).",
        'sum(whatsapp_sends_waiting{state="in_doubt"})',
        red=20,
    ),
)
