"""Metrics and traces of sends: outcomes, times, and the spans of sampled sends.

A sampled send has one span for each step ("process <topic>", from the start of the step to its end). Within it are the
claim in the journal, the call to Meta, and the sending of each resulting record. The gap before a step is the wait for
a turn, a retry or a rate limit.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from common.contracts import topics
from common.contracts.messages import MetaError
from common.meta.call_ends import Answered, CallEnd, NotSent
from common.meta.errors import RULES
from common.telemetry import metrics, spans
from common.telemetry.metrics import OTHER
from common.telemetry.spans import SpanKind
from common.telemetry.tenants import Tenants
from common.telemetry.trace_context import Trace
from sender.outcomes import Apart, Dead, Defer, InDoubt, Outcome, Retry, Sent, StepResult
from sender.records.job import Job

K = TypeVar("K")
V = TypeVar("V")

_ANSWERED, _NOT_SENT, _UNCLEAR = (metrics.GRAPH_CALL_SECONDS.labels(end) for end in ("answered", "not_sent", "unclear"))
_OK: Final = metrics.GRAPH_ANSWERS.labels("ok")
_ACCEPTED: Final = metrics.SENDS.labels("accepted", "")
_TO_META: Final = "POST /{phone_number_id}/messages"
_REASONS: Final = 100
"""How many reasons get a label of their own; there are some thirty."""

_known_reasons: set[str] = set()


class GraphCall:
    """One call to Meta, from its construction to `ended`. `trace` is its span, None when the send is not sampled.

    `held`: it was deferred or Meta was down. Its delay does not count as that of a retry.
    """

    __slots__ = ("_attempt", "_began", "_job", "trace")

    def __init__(self, job: Job, attempt: int, *, held: bool) -> None:
        self.trace: Trace | None = job.trace.child() if job.trace.sampled and spans.active() else None
        self._job = job
        self._attempt = attempt
        self._began = time.time_ns()
        if job.due and not held:
            metrics.RETRY_LATE_SECONDS.observe(max(0.0, self._began / 1e9 - job.due))

    @property
    def traceparent(self) -> str | None:
        """The trace that statuses of this send continue."""
        return self.trace.traceparent if self.trace is not None else None

    def ended(self, end: CallEnd, outcome: Outcome) -> None:
        """Record the end of the call, and its outcome."""
        now = time.time_ns()
        child = _ANSWERED if isinstance(end, Answered) else _NOT_SENT if isinstance(end, NotSent) else _UNCLEAR
        child.observe((now - self._began) / 1e9, {"trace_id": self.trace.trace_id} if self.trace else None)
        if isinstance(end, Answered):
            _OK.inc() if isinstance(outcome, Sent) else metrics.GRAPH_ANSWERS.labels(_code(outcome.error)).inc()
        if self.trace is not None:
            self._record(self.trace, end, outcome, now)

    def _record(self, trace: Trace, end: CallEnd, outcome: Outcome, now: int) -> None:
        about: dict[str, str | int | float | bool] = {
            "http.request.method": "POST",
            "server.address": "graph.facebook.com",
            "whatsapp.attempt": self._attempt,
            **_about(self._job),
        }
        if isinstance(end, Answered):
            about["http.response.status_code"] = end.status
        failed = None if isinstance(outcome, Sent) else reason_of(outcome.error)
        spans.record(_TO_META, trace, SpanKind.CLIENT, self._began, now, about, failed=failed)


def note_claim(job: Job, began_ns: int) -> None:
    """Record the span of a claim."""
    if job.trace.sampled and spans.active():
        about: spans.Attributes = {"db.system.name": "mongodb", "db.collection.name": "send_journal"}
        spans.record("mongodb journal", job.trace.child(), SpanKind.CLIENT, began_ns, time.time_ns(), about)


def note_step(job: Job, step: StepResult, tenants: Tenants, group: str, began_ns: int) -> None:
    """Count the end of a step. A send that had ended before, and was only read again, is not counted again."""
    outcome, now = step.outcome, time.time_ns()
    if step.recorded or isinstance(outcome, Defer):
        name = outcome_name(outcome)
        if isinstance(outcome, Sent):
            _ACCEPTED.inc()
            if job.written_at and not job.attempts and not job.replay:
                exemplar = {"trace_id": job.trace.trace_id} if job.trace.sampled and spans.active() else None
                metrics.SEND_SECONDS.observe(max(0.0, now / 1e9 - job.written_at), exemplar)
        else:
            metrics.SENDS.labels(name, reason_of(outcome.error)).inc()
        if not isinstance(outcome, Retry | Defer):
            metrics.TENANT_SENDS.labels(tenants.name(job.chatbot_id), name).inc()
    if job.trace.sampled and spans.active():
        _record_step(job, outcome, group, began_ns, now)


def _record_step(job: Job, outcome: Outcome, group: str, began_ns: int, now: int) -> None:
    at = job.position
    about: spans.Attributes = {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": at.topic,
        "messaging.destination.partition.id": str(at.partition),
        "messaging.kafka.offset": at.offset,
        "messaging.consumer.group.name": group,
        "whatsapp.outcome": outcome_name(outcome),
        **_about(job),
    }
    failed = reason_of(outcome.error) if isinstance(outcome, Dead | Retry) else None
    spans.record(f"process {at.topic}", job.trace, SpanKind.CONSUMER, began_ns, now, about, failed=failed)


def note_letter(error: MetaError | None, tenant: str, tenants: Tenants) -> None:
    """Count a dead letter: a send of a tenant, or an unreadable record."""
    metrics.DEAD_LETTERS.labels(topics.SEND_DLQ.name, reason_of(error), tenants.name(tenant)).inc()


def note_request(trace: Trace, route: str, began_ns: int) -> None:
    """Record the span of an HTTP request whose records are on the topic."""
    about: spans.Attributes = {"http.request.method": "POST", "http.route": route, "http.response.status_code": 200}
    spans.record(f"POST {route}", trace, SpanKind.SERVER, began_ns, time.time_ns(), about)


def timed(
    operation: str, run: Callable[[Sequence[K]], Awaitable[Sequence[V]]]
) -> Callable[..., Awaitable[Sequence[V]]]:
    """`run`, with a metric of the time that each batch takes."""
    histogram = metrics.MONGO_SECONDS.labels(operation)

    async def measured(items: Sequence[K]) -> Sequence[V]:
        with histogram.time():
            return await run(items)

    return measured


def outcome_name(outcome: Outcome) -> str:
    """The label of an outcome, in the words of the statuses."""
    match outcome:
        case Sent():
            return "accepted"
        case Dead():
            return str(outcome.state)
        case InDoubt():
            return "in_doubt"
        case Retry():
            return "retry"
        case Defer():
            return "deferred"
        case Apart():
            return "queued"


def reason_of(error: MetaError | None) -> str:
    """The label of an error: Meta's documented code, or one of our few reasons."""
    if error is None:
        return ""
    if error.code is not None:
        return _code(error)
    reason = error.reason or OTHER
    if reason not in _known_reasons:
        if len(_known_reasons) >= _REASONS:
            return OTHER
        _known_reasons.add(reason)
    return reason


def _code(error: MetaError | None) -> str:
    code = error.code if error is not None else None
    return str(code) if code in RULES else OTHER


def _about(job: Job) -> dict[str, str]:
    return {"whatsapp.journal_id": job.journal_id, "whatsapp.chatbot_id": job.chatbot_id}
