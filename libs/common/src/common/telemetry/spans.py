"""Spans of the exchanges that are followed, sent to an OTLP receiver by OpenTelemetry's SDK.

Off until `start` is given a receiver. Whether an exchange is followed is decided once, where it begins (`chosen`), and
travels with it (W3C's sampled flag), so that a trace is whole or not there. Everything else costs nearly nothing: work
on records in batches makes no span unless a record of the batch is followed, and then one span for that record.

The SDK's own tracer is not used: it draws the ids of spans itself, while ours stand in the headers of records long
before the work on them has ended, and its spans cost as much when they are not followed.
"""

import logging
import random
import threading
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from common.telemetry.settings import TelemetrySettings
from common.telemetry.trace_context import Trace

__all__ = ["Attributes", "SpanKind", "active", "chosen", "current", "follow", "record", "start", "stop"]

Attributes = Mapping[str, str | int | float | bool]

_QUEUE: Final = 16_384  # spans; what does not fit is dropped, because nothing waits for telemetry
_STOP_MILLIS: Final = 3_000
_COMPLAINTS_SECONDS: Final = 60.0
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_SCOPE: Final = InstrumentationScope("whatsapp-cloud")

_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


class _NowAndThen(logging.Filter):
    """Lets a line a minute through: the SDK logs a receiver that is away with each batch, every few seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._next = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  # whatever it is
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _COMPLAINTS_SECONDS
        return True


_complaints: Final = _NowAndThen()


class _Tracing:
    """What this process does with spans: one for all of it, as with logs."""

    processor: BatchSpanProcessor | None = None
    resource: Resource = Resource.get_empty()
    ratio: float = 0.0


def start(service: str, settings: TelemetrySettings, exporter: SpanExporter | None = None) -> None:
    """Send spans from now on, to the receiver of the settings (or to `exporter`); without either, nothing happens."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if exporter is None and endpoint is None:
        return
    exporter = exporter or OTLPSpanExporter(f"{(endpoint or '').rstrip('/')}/v1/traces", timeout=_STOP_MILLIS // 1000)
    _Tracing.processor = BatchSpanProcessor(
        exporter, max_queue_size=_QUEUE, schedule_delay_millis=1_000, export_timeout_millis=_STOP_MILLIS
    )
    _Tracing.resource = Resource.create({"service.name": service, "service.namespace": "whatsapp-cloud"})
    _Tracing.ratio = settings.trace_sample_ratio
    logging.getLogger(OTLPSpanExporter.__module__).addFilter(_complaints)
    # It logs a caller's invalid `tracestate`, all of it and for each span. That is left out.
    logging.getLogger(TraceState.__module__).setLevel(logging.ERROR)


def stop() -> None:
    """Send what is left, for a few seconds at most, and nothing from now on."""
    processor, _Tracing.processor, _Tracing.ratio = _Tracing.processor, None, 0.0
    if processor is not None:
        # In a thread, which does not outlive the process: the processor sends one batch after another until none is
        # left, and heeds no time-out, so a receiver that hangs would hold it for a minute and a half.
        ending = threading.Thread(target=processor.shutdown, name="last spans", daemon=True)
        ending.start()
        ending.join(_STOP_MILLIS / 1000)


def active() -> bool:
    """Whether spans are sent."""
    return _Tracing.processor is not None


def chosen() -> bool:
    """Whether an exchange that begins now is to be followed."""
    return _Tracing.ratio > 0 and random.random() < _Tracing.ratio  # noqa: S311  # guessing it gains nothing


def record(
    name: str,
    trace: Trace,
    kind: SpanKind,
    began_ns: int,
    ended_ns: int,
    attributes: Attributes | None = None,
    *,
    failed: str | None = None,
    links: Sequence[Trace] = (),
) -> None:
    """Send the span that `trace` names, if it is followed. Times are nanoseconds since 1970.

    `failed` says what went wrong, `links` name spans of other traces that it has to do with. Attributes have the names
    of OpenTelemetry's semantic conventions, and never hold a person's number or words.
    """
    processor = _Tracing.processor
    if processor is None or not trace.sampled:
        return
    span = ReadableSpan(
        name=name,
        context=_context(trace, trace.span_id),
        parent=_context(trace, trace.parent_id) if trace.parent_id else None,
        resource=_Tracing.resource,
        attributes=attributes,
        kind=kind,
        start_time=began_ns,
        end_time=ended_ns,
        status=Status(StatusCode.ERROR, failed) if failed is not None else Status(),
        links=[Link(_context(link, link.span_id)) for link in links],
        instrumentation_scope=_SCOPE,
    )
    processor.on_end(span)


def follow(trace: Trace | None) -> None:
    """What this task does from now on belongs to `trace`: its logs say so."""
    _current.set(trace)


def current() -> Trace | None:
    """What the running task works on."""
    return _current.get()


def _context(trace: Trace, span_id: str) -> SpanContext:
    state = TraceState.from_header([trace.tracestate]) if trace.tracestate else None
    return SpanContext(
        int(trace.trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=_SAMPLED, trace_state=state
    )
