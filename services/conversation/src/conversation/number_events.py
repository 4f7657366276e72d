"""News of numbers for the sender: how much came in, because Meta counts it too, and changed limits. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from common.contracts import number_events
from common.contracts.envelope import encode
from common.contracts.ids import derive_id
from common.contracts.topics import NUMBERS
from common.kafka.records import Outgoing, headers_for
from common.meta.payloads import read_json
from common.telemetry.trace_context import new_trace
from conversation.batch.facts import ChangeSeen, Fact, Inbound

FRESH: Final = timedelta(seconds=2)
"""Older messages do not matter to a limit per second."""

_MAX_DISPLAY: Final = 64
"""Characters of a number as people write it; Meta's have about twenty. A longer text is not passed on."""

_LIMITS: Final = frozenset({"phone_number_quality_update", "business_capability_update"})
"""Meta's change fields that speak of limits (webhooks reference)."""


def number_records(facts: Sequence[Fact], now: datetime) -> list[Outgoing]:
    """The records about numbers that a batch causes; harmless to repeat."""
    arrived: dict[str, list[Inbound]] = {}
    for fact in facts:
        number = fact.event.data.phone_number_id
        if isinstance(fact, Inbound) and number and now - fact.event.recorded_at < FRESH:
            arrived.setdefault(number, []).append(fact)
    changes = [fact for fact in facts if isinstance(fact, ChangeSeen) and fact.event.data.field in _LIMITS]
    return [*(_traffic(number, arrived[number], now) for number in arrived), *(_change(fact, now) for fact in changes)]


def _traffic(number: str, arrived: Sequence[Inbound], now: datetime) -> Outgoing:
    data = number_events.NumberData(phone_number_id=number, inbound=len(arrived))
    return _record(number_events.TRAFFIC, number, arrived[0], data, now)


def _change(fact: ChangeSeen, now: datetime) -> Outgoing:
    change = fact.event.data
    display = read_json(change.raw).get("display_phone_number")
    data = number_events.NumberData(
        phone_number_id=change.phone_number_id,
        account_id=change.account_id,
        display_phone_number=display if isinstance(display, str) and 0 < len(display) <= _MAX_DISPLAY else None,
        field=change.field,
    )
    return _record(number_events.CHANGED, change.account_id or change.phone_number_id or "", fact, data, now)


def _record(kind: str, key: str, fact: Inbound | ChangeSeen, data: number_events.NumberData, now: datetime) -> Outgoing:
    event = number_events.NumberNews(
        id=derive_id(kind, key, fact.origin),
        type=kind,
        version=number_events.VERSION,
        occurred_at=fact.event.occurred_at,
        recorded_at=now,
        correlation_id=fact.event.correlation_id,
        causation_id=fact.event.id,
        data=data,
    )
    trace = fact.trace.child() if isinstance(fact, Inbound) else new_trace(fact.event.correlation_id)
    headers = headers_for(trace, event_id=event.id, event_type=kind)
    return Outgoing(NUMBERS.name, key, encode(event), headers, trace=trace)
