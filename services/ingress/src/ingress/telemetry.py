"""Metrics and spans of webhooks: how many, how long, and spans of those that are sampled.

A status continues the trace of the call to Meta that sent its message: Meta returns our callback data in it. So one
request may be in several traces: in its own if it brings anything else, and in the call's for each such status.
"""

import time
from typing import Final

from prometheus_client import Counter

from common.contracts import webhooks
from common.contracts.ids import traceparent_in
from common.telemetry import metrics, spans
from common.telemetry.spans import SpanKind
from common.telemetry.trace_context import Trace, enter
from ingress import limited_log
from ingress.parsing.facts import WebhookFact

TAKEN, REFUSED, TOO_LARGE, UNAVAILABLE, FAILED = (
    metrics.WEBHOOKS.labels(outcome) for outcome in ("taken", "invalid_signature", "too_large", "unavailable", "failed")
)
_FACTS: Final = {
    kind: metrics.WEBHOOK_FACTS.labels(kind)
    for kind in (webhooks.MESSAGE, webhooks.STATUS, webhooks.CHANGE, webhooks.UNPARSED)
}
_STATUS_OF: Final = {TAKEN: 200, UNAVAILABLE: 503, FAILED: 500}
_ABOUT: Final = {"http.request.method": "POST", "url.path": "/whatsapp-cloud/webhook"}
_NAME: Final = "POST /whatsapp-cloud/webhook"


class WebhookRequest:
    """One signed webhook request: its spans in its own trace and in those of its statuses, as far as sampled."""

    __slots__ = ("_began", "_spans", "trace")

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._began = time.time_ns()
        self._spans: dict[Trace, None] = {}  # in their order; a body may bring 2,000

    def publishes(self, fact: WebhookFact) -> Trace:
        """Count the fact. Returns the trace context of its record, whose correlation id is the fact's id."""
        _FACTS[fact.type].inc()
        if fact.type == webhooks.UNPARSED:
            limited_log.unparsed.note("see its reason there", example=fact.data.reason, recordId=fact.id)
        request = self._continued(fact) or self.trace
        if request.sampled:
            self._spans[request] = None
        return request.child(correlation_id=fact.id)

    def ended(self, outcome: Counter) -> None:
        """Record that it was answered, with one of the outcomes above."""
        outcome.inc()
        now = time.time_ns()
        followed = self.trace.sampled and spans.active()
        metrics.WEBHOOK_SECONDS.observe(
            (now - self._began) / 1e9, {"trace_id": self.trace.trace_id} if followed else None
        )
        for span in self._spans:
            status = _STATUS_OF[outcome]
            about: spans.Attributes = {**_ABOUT, "http.response.status_code": status}
            failed = None if status == 200 else str(status)
            spans.record(_NAME, span, SpanKind.SERVER, self._began, now, about, failed=failed)

    def _continued(self, fact: WebhookFact) -> Trace | None:
        if fact.type != webhooks.STATUS or not spans.active():
            return None
        traceparent = traceparent_in(bytes(fact.data.raw))
        return enter(fact.id, traceparent) if traceparent is not None else None


def begin(body_id: str, traceparent: bytes | None) -> WebhookRequest:
    """A request begins. Whether it is sampled is decided here, unless its `traceparent` says so."""
    given = traceparent.decode("latin-1") if traceparent else None
    return WebhookRequest(enter(body_id, given, sampled=spans.chosen()))
