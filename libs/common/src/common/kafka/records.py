"""A record on its way out, and the headers that every record carries.

Headers: `traceparent` and `tracestate` (W3C Trace Context), `correlation-id`, `event-id`, `event-type`, `content-type`.
"""

import random
import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
CORRELATION_ID = "correlation-id"
EVENT_ID = "event-id"
EVENT_TYPE = "event-type"
CONTENT_TYPE = "content-type"

_MAX_CORRELATION_ID = 256
_MAX_TRACESTATE = 2_048  # characters; W3C asks for 512 to be passed on
_W3C_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$")
_SPAN_BEGINS, _SPAN_ENDS = 36, 52  # in a traceparent: 2 digits of version, 32 of the trace, 16 of the span, 2 of flags

Headers = Sequence[tuple[str, bytes]]


class Trace(msgspec.Struct, frozen=True):
    """Where a piece of work stands in its trace: what goes on in the headers of what it causes."""

    traceparent: str
    correlation_id: str
    tracestate: str | None = None

    def child(self, span_id: str | None = None, *, correlation_id: str | None = None) -> "Trace":
        """The same trace with a new span (`span_id`: 16 hex digits, drawn when absent)."""
        of_trace, flags = self.traceparent[:_SPAN_BEGINS], self.traceparent[_SPAN_ENDS:]
        return Trace(f"{of_trace}{span_id or _span()}{flags}", correlation_id or self.correlation_id, self.tracestate)


def new_trace(correlation_id: str, traceparent: str | None = None, tracestate: str | None = None) -> Trace:
    """A trace that continues a valid W3C `traceparent`, or starts a sampled one."""
    if traceparent is None or not _W3C_TRACEPARENT.match(traceparent):
        return Trace(f"00-{random.getrandbits(128) or 1:032x}-{_span()}-01", correlation_id)
    return Trace(traceparent, correlation_id, tracestate)


def _span() -> str:
    """A span's id. These are names, not secrets: asking the kernel for each would cost more than the rest."""
    return f"{random.getrandbits(64) or 1:016x}"  # 0 is no valid id


def read_headers(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """A record's headers as text; of a repeated name the last counts, as in HTTP trace propagation.

    A header may be without a value (KIP-82), which counts as absent.
    """
    return {name: value.decode("utf-8", "replace") for name, value in headers if value is not None}


def trace_of(headers: Mapping[str, str], *, fallback_correlation_id: str) -> Trace:
    """The trace a consumed record belongs to; records of foreign producers without headers start one.

    What is longer than anybody needs is left out: it would make every record that follows too large.
    """
    given = headers.get(CORRELATION_ID)
    correlation = given if given and len(given) <= _MAX_CORRELATION_ID else fallback_correlation_id
    state = headers.get(TRACESTATE)
    return new_trace(correlation, headers.get(TRACEPARENT), state if state and len(state) <= _MAX_TRACESTATE else None)


class Outgoing(msgspec.Struct, frozen=True):
    """A record to be written: topic, key, value and headers as Kafka will have them.

    `partition` is for the rare record whose place matters more than its key; by default the key decides.
    """

    topic: str
    key: str
    value: bytes
    headers: Headers = ()
    partition: int | None = None


def headers_for(trace: Trace, *, event_id: str, event_type: str, extra: Mapping[str, str] | None = None) -> Headers:
    """The headers of a JSON event that `trace` leads to."""
    headers = [
        (TRACEPARENT, trace.traceparent.encode()),
        (CORRELATION_ID, trace.correlation_id.encode()),
        (EVENT_ID, event_id.encode()),
        (EVENT_TYPE, event_type.encode()),
        (CONTENT_TYPE, b"application/json"),
    ]
    if trace.tracestate:
        headers.append((TRACESTATE, trace.tracestate.encode()))
    headers.extend((name, value.encode()) for name, value in (extra or {}).items())
    return headers
