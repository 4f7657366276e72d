"""The Kafka records of a signed body.

Invariants:
- The values of all records of a body take at most twice the body and 2 KiB for each record. If a body needs more,
  each person's name is in the first of their records only. If it still needs more, it is kept whole, in one record.
  So 3 MB become at most 10 MB; with texts that are not Unicode 14 MB.
- The record of a whole body fits into its topic, because ids and names are short (`ingress.parsing.shapes`), and base64
  makes four bytes of three.
- A large body is processed in slices of about 2 ms, and other requests run between them.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import repeat
from typing import Final, TypeVar

import msgspec

from common.contracts.contacts import Contact
from common.contracts.envelope import encode
from common.contracts.topics import WEBHOOKS
from common.contracts.webhooks import VERSION, WebhookReceived
from common.kafka.records import Outgoing, headers_for
from ingress.parsing.core import cut, facts_of, whole_body, with_arrival
from ingress.parsing.facts import WebhookFact
from ingress.parsing.shapes import LimitExceeded
from ingress.telemetry import WebhookRequest

BODY_TIMES: Final = 2  # its bytes may be in two records: a message in its own, and in that of a value with errors
BYTES_AROUND: Final = 2 * 1024  # of a fact's record; usual are 700
BROKEN_TEXT_BYTES: Final = 4 * 1024 * 1024  # more for texts that are not Unicode, because they are kept in two forms
_SLICE_SECONDS: Final = 0.002
_TOPIC: Final = WEBHOOKS.name
_MANY_TIMES: Final = "the records of the body would be many times as long as the body"

T = TypeVar("T")


def records(body: bytes, request: WebhookRequest, *, now: datetime) -> list[Outgoing]:
    """The records of a body, in its order, at least one."""
    body_id = request.trace.correlation_id
    facts = cut(body, body_id=body_id, now=now)
    values = [_value(fact, body_id, now) for fact in facts]
    if _are_too_large(values, facts, len(body)):
        facts = list(_without_repeated_names(facts))
        values = [_value(fact, body_id, now) for fact in facts]
        if _are_too_large(values, facts, len(body)):
            facts, values = _in_one_record(body, _MANY_TIMES, body_id, now)
    # Facts are counted last, when it is certain which they are.
    return list(map(_record, facts, values, repeat(request)))


async def records_in_slices(body: bytes, request: WebhookRequest, *, now: datetime) -> list[Outgoing]:
    """The same for a large body; other work of the process runs every few milliseconds."""
    body_id = request.trace.correlation_id
    try:
        facts = await _in_slices(facts_of(body, now))
        facts = await _in_slices(with_arrival(facts, body_id, len(body)))
        try:
            values = await _in_slices(_values(facts, len(body), body_id, now))
        except LimitExceeded:
            facts = await _in_slices(_without_repeated_names(facts))
            values = await _in_slices(_values(facts, len(body), body_id, now))
    except LimitExceeded as error:
        facts, values = _in_one_record(body, str(error), body_id, now)
    return await _in_slices(_record(fact, value, request) for fact, value in zip(facts, values, strict=True))


async def _in_slices(steps: Iterable[T]) -> list[T]:
    found, until = [], time.perf_counter() + _SLICE_SECONDS
    for step in steps:
        found.append(step)
        if time.perf_counter() > until:
            await asyncio.sleep(0)
            until = time.perf_counter() + _SLICE_SECONDS
    await asyncio.sleep(0)
    return found


def _are_too_large(values: Sequence[bytes], facts: Sequence[WebhookFact], size: int) -> bool:
    return sum(map(len, values)) > BODY_TIMES * size + BYTES_AROUND * len(facts) + _bytes_kept_twice(facts)


def _without_repeated_names(facts: Iterable[WebhookFact]) -> Iterator[WebhookFact]:
    """The same facts, without names that an earlier one with the same key has: readers keep the last known name."""
    seen: set[tuple[str, Contact]] = set()
    for fact in facts:
        contact = fact.data.contact
        if contact is not None and (contact.name or contact.username):
            if (fact.key, contact) in seen:
                unnamed = msgspec.structs.replace(contact, name=None, username=None)
                msgspec.structs.force_setattr(fact.data, "contact", unnamed)  # no other fact has this object
            seen.add((fact.key, contact))
        yield fact


def _bytes_kept_twice(facts: Iterable[WebhookFact]) -> int:
    """Bytes that readable texts and their originals may take in addition."""
    torn = [data for fact in facts if (data := fact.data).raw_base64 is not None and data.reason is None]
    return min(sum(len(data.raw_base64 or "") + len(data.raw) for data in torn), BROKEN_TEXT_BYTES) if torn else 0


def _values(facts: Sequence[WebhookFact], size: int, body_id: str, now: datetime) -> Iterator[bytes]:
    """The record values. Raises `LimitExceeded` as soon as they are too large together."""
    left = BODY_TIMES * size + _bytes_kept_twice(facts)
    for fact in facts:
        value = _value(fact, body_id, now)
        left += BYTES_AROUND - len(value)
        if left < 0:
            raise LimitExceeded(_MANY_TIMES)
        yield value


def _in_one_record(body: bytes, reason: str, body_id: str, now: datetime) -> tuple[list[WebhookFact], list[bytes]]:
    facts = list(with_arrival([whole_body(body, reason, now)], body_id, len(body)))
    return facts, list(_values(facts, len(body), body_id, now))


def _value(fact: WebhookFact, body_id: str, now: datetime) -> bytes:
    return encode(
        WebhookReceived(
            id=fact.id,
            type=fact.type,
            version=VERSION,
            occurred_at=fact.occurred_at,
            recorded_at=now,
            correlation_id=fact.id,
            causation_id=body_id,
            data=fact.data,
        )
    )


def _record(fact: WebhookFact, value: bytes, request: WebhookRequest) -> Outgoing:
    trace = request.publishes(fact)
    headers = headers_for(trace, event_id=fact.id, event_type=fact.type)
    return Outgoing(_TOPIC, fact.key, value, headers, trace=trace)
