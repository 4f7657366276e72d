"""The Kafka records of a signed body.

Invariants:
- The values and keys of all records of a body take at most twice the body and 2 KiB for each record. A body that would
  need more is kept whole, in one record. So 3 MB become at most 10 MB.
- The record of a whole body fits into its topic: ids and names are short (`ingress.shapes`), and base64 makes four
  bytes of three.
- The work on a large body is cut into slices of about 2 ms, between which other requests have their turn.
"""

import asyncio
import time
from collections.abc import Generator
from datetime import datetime
from typing import Final, TypeVar

from common.contracts import webhooks
from common.contracts.envelope import encode
from common.contracts.topics import WEBHOOKS
from common.kafka.records import Outgoing, headers_for
from ingress.core import Fact, arrive, facts_of, whole
from ingress.shapes import TooMuch
from ingress.telemetry import Request

BODY_TIMES: Final = 2  # its bytes may stand in two records: a message in its own, and in that of a value with errors
BYTES_AROUND: Final = 2 * 1024  # of a fact's record; usual are 700
_SLICE_SECONDS: Final = 0.002

T = TypeVar("T")
_Steps = Generator[None, None, T]


def records(body: bytes, request: Request, *, now: datetime) -> list[Outgoing]:
    """The records of a body, in its order, at least one."""
    steps = _steps(body, request, now)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: list[Outgoing] = end.value
            return found


async def records_in_slices(body: bytes, request: Request, *, now: datetime) -> list[Outgoing]:
    """The same; whatever else the process has to do gets its turn every few milliseconds."""
    steps = _steps(body, request, now)
    until = time.perf_counter() + _SLICE_SECONDS
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: list[Outgoing] = end.value
            return found
        if time.perf_counter() > until:
            await asyncio.sleep(0)
            until = time.perf_counter() + _SLICE_SECONDS


def _steps(body: bytes, request: Request, now: datetime) -> _Steps[list[Outgoing]]:
    """The work in small steps. What is counted of facts is counted last, when it is certain which they are."""
    try:
        facts = []
        for fact in facts_of(body, now):
            facts.append(fact)
            yield
        values = yield from _values(facts, body, request, now)
    except TooMuch as error:
        facts = [whole(body, str(error), now)]
        yield
        values = yield from _values(facts, body, request, now)
    found = []
    for fact, value in zip(facts, values, strict=True):
        found.append(_record(fact, value, request))
        yield
    return found


def _values(facts: list[Fact], body: bytes, request: Request, now: datetime) -> _Steps[list[bytes]]:
    """The record values. Raises `TooMuch` as soon as they are too large together."""
    values, left = [], BODY_TIMES * len(body)
    body_id, size, count = request.trace.correlation_id, len(body), len(facts)
    for position, fact in enumerate(facts):
        arrive(fact, webhooks.Arrival(body_id=body_id, body_bytes=size, position=position, count=count))
        value = _value(fact, body_id, now)
        left += BYTES_AROUND - len(value) - len(fact.key)
        if left < 0:
            raise TooMuch("what stands beside the body's facts is many times as long as the body")
        values.append(value)
        yield
    return values


def _value(fact: Fact, body_id: str, now: datetime) -> bytes:
    return encode(
        webhooks.WebhookReceived(
            id=fact.id,
            type=fact.type,
            version=webhooks.VERSION,
            occurred_at=fact.occurred_at,
            recorded_at=now,
            correlation_id=fact.id,
            causation_id=body_id,
            data=fact.data,
        )
    )


def _record(fact: Fact, value: bytes, request: Request) -> Outgoing:
    trace = request.publishes(fact)
    headers = headers_for(trace, event_id=fact.id, event_type=fact.type)
    return Outgoing(WEBHOOKS.name, fact.key, value, headers, trace=trace)
