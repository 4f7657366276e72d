"""Traces, in OpenTelemetry's ordinary way: the trace of a record goes on in the reply.

Set OTEL_EXPORTER_OTLP_ENDPOINT and the spans go there; without it they cost nothing. Whether an exchange is followed
was decided where it began, and the sampler obeys. A batch has a span for each of its records: FastStream's own
middleware makes one for the batch, and the exchanges of its records would end there.
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
    """Send spans for as long as the block runs, if the environment says where."""
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
    """The work on one record, as a part of its sending."""
    about = {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": topic,
    }
    with _tracer.start_as_current_span(f"process {topic}", extract(headers), SpanKind.CONSUMER, about):
        yield


@contextmanager
def sending(topic: str, headers: dict[str, str]) -> Iterator[None]:
    """The sending of a record; its `headers` get the span as their `traceparent`."""
    about = {"messaging.system": "kafka", "messaging.operation.type": "send", "messaging.destination.name": topic}
    with _tracer.start_as_current_span(f"send {topic}", kind=SpanKind.PRODUCER, attributes=about):
        inject(headers)
        yield
