"""A record on its way out, and the headers that every record carries.

Headers: `traceparent` and `tracestate` (W3C Trace Context), `correlation-id`, `event-id`, `event-type`, `content-type`.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from common.telemetry.trace_context import Trace, enter

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
CORRELATION_ID = "correlation-id"
EVENT_ID = "event-id"
EVENT_TYPE = "event-type"
CONTENT_TYPE = "content-type"

MAX_CORRELATION_ID = 256
_MAX_TRACESTATE = 2_048  # characters; W3C asks for 512 to be passed on

Headers = Sequence[tuple[str, bytes]]


def read_headers(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """A record's headers as text; of a repeated name the last counts, as in HTTP trace propagation.

    A header may be without a value (KIP-82), which counts as absent.
    """
    return {name: value.decode("utf-8", "replace") for name, value in headers if value is not None}


def trace_of(headers: Mapping[str, str], *, fallback_correlation_id: str, sampled: bool = False) -> Trace:
    """The span of our work on a consumed record, a part of its sending; without headers, the first of a new trace.

    A `tracestate` that is too long is left out: it would make every record that follows too large.
    """
    given = headers.get(CORRELATION_ID)
    correlation = given if given and len(given) <= MAX_CORRELATION_ID else fallback_correlation_id
    return enter(correlation, headers.get(TRACEPARENT), tracestate_of(headers), sampled=sampled)


def tracestate_of(headers: Mapping[str, str]) -> str | None:
    """The `tracestate` that goes on: none that is too long, or no printable ASCII (W3C Trace Context §3.3)."""
    state = headers.get(TRACESTATE)
    fits = state and len(state) <= _MAX_TRACESTATE and state.isascii() and state.isprintable()
    return state if fits else None


class Outgoing(msgspec.Struct, frozen=True):
    """A record to be written: topic, key, value and headers as Kafka will have them.

    `partition` is for the rare record whose place matters more than its key; by default the key decides. `trace` is the
    span of its sending, whose id its headers carry: when it is followed, the writer of the record records the span.
    """

    topic: str
    key: str
    value: bytes
    headers: Headers = ()
    partition: int | None = None
    trace: Trace | None = None


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
