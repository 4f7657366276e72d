"""Keeps the latest traces, and draws one as a waterfall. Without IO."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from otlp_receiver.spans import Span

_WIDTH = 34


class Traces:
    """At most `most` traces; the oldest are forgotten for new ones, and `forgotten` counts them."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._traces: OrderedDict[str, dict[str, Span]] = OrderedDict()
        self.received = 0
        self.forgotten = 0

    def add(self, spans: Iterable[Span]) -> None:
        """Add spans. A repeated span counts once."""
        for span in spans:
            self.received += 1
            self._traces.setdefault(span.trace_id, {})[span.span_id] = span
        while len(self._traces) > self._most:
            self._traces.popitem(last=False)
            self.forgotten += 1

    def spans(self, trace_id: str) -> list[Span]:
        """The spans of a trace, ordered by start; none for an unknown trace."""
        return sorted(self._traces.get(trace_id, {}).values(), key=lambda span: span.began_ns)

    def ids(self) -> list[str]:
        """The ids of all traces, the oldest first."""
        return list(self._traces)

    def overview(self) -> list[dict[str, Any]]:
        """A line for each trace, the oldest first."""
        return [self._line(trace_id) for trace_id in self._traces]

    def _line(self, trace_id: str) -> dict[str, Any]:
        spans = self.spans(trace_id)
        return {
            "traceId": trace_id,
            "root": next((span.name for span in spans if not span.parent_id), None),
            "spans": len(spans),
            "services": sorted({span.service for span in spans}),
            "ms": (max(span.ended_ns for span in spans) - spans[0].began_ns) / 1e6,
        }


def waterfall(spans: Sequence[Span]) -> list[str]:
    """A trace as lines: each span under its parent, with its start and duration in ms, and a bar."""
    if not spans:
        return []
    first, last = min(span.began_ns for span in spans), max(span.ended_ns for span in spans)
    ids = {span.span_id for span in spans}
    children: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda span: span.began_ns):
        children.setdefault(span.parent_id if span.parent_id in ids else "", []).append(span)
    lines: list[str] = []

    def draw(span: Span, depth: int) -> None:
        lines.append(f"{_bar(span, first, last)}  {'  ' * depth}{span.service}: {span.name}{' FAILED' * span.failed}")
        for child in children.get(span.span_id, ()):
            draw(child, depth + 1)

    for root in children.get("", ()):
        draw(root, 0)
    return lines


def _bar(span: Span, first: int, last: int) -> str:
    whole = max(1, last - first)
    begins = (span.began_ns - first) * _WIDTH // whole
    length = max(1, (span.ended_ns - span.began_ns) * _WIDTH // whole)
    times = f"{(span.began_ns - first) / 1e6:8.1f} {(span.ended_ns - span.began_ns) / 1e6:8.1f} ms"
    return f"{times} |{' ' * min(begins, _WIDTH - 1)}{'=' * min(length, _WIDTH)}".ljust(len(times) + _WIDTH + 3)
