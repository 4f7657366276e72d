"""Where a piece of work stands in its trace (W3C Trace Context), recorded or not.

A `Trace` is the name of one span. Names are drawn here and not by OpenTelemetry, because every record has them in its
headers, also where the trace is not followed. Only followed ones become spans (`common.telemetry.spans`).
"""

import random
import re
from typing import Final

import msgspec

_W3C_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_BEGINS, _TRACE_ENDS = 3, 35  # in a traceparent: 2 digits of version, 32 of the trace, 16 of the span, 2 of flags
_SPAN_BEGINS, _SPAN_ENDS = 36, 52
_ODD: Final = frozenset("13579bdf")


class Trace(msgspec.Struct, frozen=True):
    """One span: what goes on in the headers of what it causes.

    `parent_id` is the span that this one is a part of (16 hex digits); None for a first one, or for one that came from
    another program, which knows its parent itself.
    """

    traceparent: str
    correlation_id: str
    tracestate: str | None = None
    parent_id: str | None = None

    @property
    def sampled(self) -> bool:
        """Whether the trace is followed: the last bit of its flags."""
        return self.traceparent[-1] in _ODD

    @property
    def trace_id(self) -> str:
        """32 hex digits."""
        return self.traceparent[_TRACE_BEGINS:_TRACE_ENDS]

    @property
    def span_id(self) -> str:
        """16 hex digits."""
        return self.traceparent[_SPAN_BEGINS:_SPAN_ENDS]

    def child(self, span_id: str | None = None, *, correlation_id: str | None = None) -> "Trace":
        """A new span in the same trace, as a part of this one (`span_id`: 16 hex digits, drawn when absent)."""
        of_trace, flags = self.traceparent[:_SPAN_BEGINS], self.traceparent[_SPAN_ENDS:]
        return Trace(
            f"{of_trace}{span_id or _span()}{flags}",
            correlation_id or self.correlation_id,
            self.tracestate,
            self.traceparent[_SPAN_BEGINS:_SPAN_ENDS],
        )


def new_trace(
    correlation_id: str, traceparent: str | None = None, tracestate: str | None = None, *, sampled: bool = False
) -> Trace:
    """The span that a valid W3C `traceparent` names; without one, the first of a new trace, followed if `sampled`."""
    if traceparent is None or not _W3C_TRACEPARENT.fullmatch(traceparent):
        return Trace(f"00-{random.getrandbits(128) or 1:032x}-{_span()}-{'01' if sampled else '00'}", correlation_id)
    return Trace(traceparent, correlation_id, tracestate)


def enter(
    correlation_id: str, traceparent: str | None = None, tracestate: str | None = None, *, sampled: bool = False
) -> Trace:
    """The span of a caller's request: a part of the caller's span, if it names one, else the first of a new trace."""
    given = new_trace(correlation_id, traceparent, tracestate, sampled=sampled)
    return given.child() if traceparent is not None and given.traceparent == traceparent else given


def _span() -> str:
    """A span's id. These are names, not secrets: asking the kernel for each would cost more than the rest."""
    return f"{random.getrandbits(64) or 1:016x}"  # 0 is no valid id
