"""From OTLP's protobuf to spans, by OpenTelemetry's protocol specification (OTLP over HTTP, binary). Pure."""

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # it has none
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Wire
from opentelemetry.proto.trace.v1.trace_pb2 import Status


class NotUnderstood(ValueError):
    """The body is not an OTLP export of traces."""


@dataclass(frozen=True, slots=True)
class Span:
    """One span. Ids are hex digits, times nanoseconds since 1970; `parent_id` is empty for a root."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    service: str
    began_ns: int
    ended_ns: int
    failed: bool
    attributes: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The span as JSON."""
        return asdict(self)


def read(body: bytes, *, gzipped: bool = False) -> list[Span]:
    """The spans of one export. Raises `NotUnderstood`."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(gzip.decompress(body) if gzipped else body)
    except (DecodeError, OSError, EOFError) as error:
        raise NotUnderstood(f"not an OTLP export of traces in protobuf: {error}") from error
    return list(_spans(request))


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for of_resource in request.resource_spans:
        resource = {pair.key: _value(pair.value) for pair in of_resource.resource.attributes}
        service = str(resource.get("service.name", "unknown"))
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield _span(span, service)


def _span(span: Any, service: str) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        kind=Wire.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        service=service,
        began_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        attributes={pair.key: _value(pair.value) for pair in span.attributes},
    )


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in {"string_value", "bool_value", "int_value", "double_value"} else str(value)
