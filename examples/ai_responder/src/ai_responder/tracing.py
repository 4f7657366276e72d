"""Traces in the usual way of OpenTelemetry: the reply continues the trace of its record.

OTEL_EXPORTER_OTLP_ENDPOINT says where spans go; without it they cost nothing. The service where an exchange began
decides whether it is traced, and the sampler follows that. Each record of a batch has its own span. FastStream's own
middleware makes one span for the batch, which would end the traces of its records.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_tracer: Final = trace.get_tracer("ai_responder")


@contextmanager
def exported() -> Iterator[None]:
    """Export spans during the block, if the environment has an endpoint."""
    if not os.environ.get(ENDPOINT):
        yield
        return
    provider = TracerProvider(
        resource=Resource.create({"service.name": "ai_responder"}), sampler=ParentBased(root=ALWAYS_OFF)
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=1_000))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


@contextmanager
def processing(topic: str, headers: Mapping[str, str]) -> Iterator[None]:
    """A span for the work on one record; its parent is the span that sent it."""
    about = {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": topic,
    }
    with _tracer.start_as_current_span(f"process {topic}", extract(headers), SpanKind.CONSUMER, about):
        yield


@contextmanager
def sending(topic: str, headers: dict[str, str]) -> Iterator[None]:
    """A span for sending a record; it is put into `headers` as `traceparent`."""
    about = {"messaging.system": "kafka", "messaging.operation.type": "send", "messaging.destination.name": topic}
    with _tracer.start_as_current_span(f"send {topic}", kind=SpanKind.PRODUCER, attributes=about):
        inject(headers)
        yield
