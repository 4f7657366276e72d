"""Metrics and spans of conversation's batches.

A batch belongs to many traces, so the batch has no span. Each sampled record has its own, from the fetch of its batch
to the commit, and within it one of the MongoDB transaction that the batch shared (docs/decisions/0018).
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from common.contracts.sends import ACCEPTED
from common.telemetry import metrics, spans
from common.telemetry.spans import SpanKind
from common.telemetry.tenants import Tenants
from conversation.batch.facts import ChangeSeen, Fact, Inbound, Result, StatusSeen

_APPLY: Final = metrics.MONGO_SECONDS.labels("apply")
_STATUSES: Final = frozenset({"sent", "delivered", "read", "failed", "deleted", "played"})  # Meta's documented ones


class BatchTelemetry:
    """One batch, of one or more partitions: `stored` after each of its transactions, `committed` at its end."""

    def __init__(self, group: str, records: int) -> None:
        self._group = group
        self._records = records
        self._began = time.time_ns()
        self._followed: list[Inbound | StatusSeen | Result] = []
        self._inbound: list[Inbound] = []

    def stored(self, facts: Sequence[Fact], began_ns: int) -> None:
        """Count facts that were applied in one transaction, which began at `began_ns` (nanoseconds since 1970)."""
        now = time.time_ns()
        metrics.BATCH_RECORDS.observe(len(facts))
        _APPLY.observe((now - began_ns) / 1e9)
        self._inbound.extend(fact for fact in facts if isinstance(fact, Inbound))
        if spans.active():
            followed = [fact for fact in facts if not isinstance(fact, ChangeSeen) and fact.trace.sampled]
            about: spans.Attributes = {"db.system.name": "mongodb", "db.operation.batch.size": len(facts)}
            for fact in followed:
                spans.record("mongodb transaction", fact.trace.child(), SpanKind.CLIENT, began_ns, now, about)
            self._followed.extend(followed)

    def committed(self) -> None:
        """Observe the batch once its events and offsets are in Kafka."""
        now, active = datetime.now(UTC), spans.active()
        for fact in self._inbound:
            seconds = (now - fact.event.recorded_at).total_seconds()
            exemplar = {"trace_id": fact.trace.trace_id} if active and fact.trace.sampled else None
            metrics.WEBHOOK_TO_EVENT_SECONDS.observe(max(0.0, seconds), exemplar)
        if self._followed:
            self._record_spans(time.time_ns())

    def _record_spans(self, now: int) -> None:
        for fact in self._followed:
            topic, partition, offset = fact.origin.rsplit("/", 2)
            about: spans.Attributes = {
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.destination.name": topic,
                "messaging.destination.partition.id": partition,
                "messaging.kafka.offset": int(offset),
                "messaging.consumer.group.name": self._group,
                "messaging.batch.message_count": self._records,
            }
            spans.record(f"process {topic}", fact.trace, SpanKind.CONSUMER, self._began, now, about)


def note_facts(facts: Sequence[Fact], chatbots: Mapping[str, str], tenants: Tenants) -> None:
    """Count the facts of a stored batch by status and by chatbot."""
    statuses = Counter(fact.status.status for fact in facts if isinstance(fact, StatusSeen))
    for status, count in statuses.items():
        metrics.DELIVERY_STATUSES.labels(status if status in _STATUSES else metrics.OTHER).inc(count)
    messages = Counter(_message_of(fact, chatbots) for fact in facts if isinstance(fact, Inbound | Result))
    for (chatbot_id, direction), count in messages.items():
        if direction:
            metrics.TENANT_MESSAGES.labels(tenants.name(chatbot_id), direction).inc(count)


def _message_of(fact: Inbound | Result, chatbots: Mapping[str, str]) -> tuple[str, str]:
    """Chatbot and direction; the direction is empty for a result that is not a new message."""
    if isinstance(fact, Inbound):
        return chatbots.get(fact.event.data.phone_number_id or "", metrics.OTHER), "in"
    return fact.event.data.chatbot_id, "out" if fact.event.type == ACCEPTED else ""
