"""Replays letters: each batch and its audit records are one Kafka transaction."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced

from common.kafka.clients import make_transactional_producer
from common.kafka.records import Outgoing
from common.kafka.settings import KafkaSettings
from wa.connection import Say
from wa.dlq.letters import Letter
from wa.dlq.plan import Order, Plan, audit_of, batches, plan_for, record_of
from wa.dlq.reading import read_audit
from wa.errors import Failed

TRANSACTIONAL_ID: Final = "wa-dlq-replay"
"""One id for all operators, so that only the operator who opened it last can write."""

_OPEN_SECONDS: Final = 30.0
_WRITE_SECONDS: Final = 30.0
_FAREWELL_SECONDS: Final = 5.0


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


async def replay(
    settings: KafkaSettings,
    letters: Sequence[Letter],
    order: Order,
    say: Say,
    now: Callable[[], datetime] = utc_now,
) -> Plan:
    """Replay those of `letters` that may be replayed. Returns what was done with each.

    Raises `Failed` when another operator starts a replay meanwhile, or Kafka does not answer. The message says how many
    letters were replayed before. Nothing of the interrupted batch is written.
    """
    count = 0
    try:
        async with producer_of(settings) as producer:
            # Read again, because no other operator can write now: replays since the question are in it.
            plan = plan_for(letters, await read_audit(settings))
            for batch in batches(plan.ready):
                at = now()
                await write(producer, [r for letter in batch for r in (record_of(letter), audit_of(letter, order, at))])
                count += len(batch)
                say(f"replayed {count:,} of {len(plan.ready):,}")
            return plan
    except ProducerFenced as error:
        raise Failed(
            f"another operator started a replay, which ended this run after {count} letters; the current batch was not"
            " written. Agree who continues, then run it again (replayed letters are skipped). If there was no other"
            f" operator, Kafka was away for longer than {settings.kafka_transaction_timeout_ms / 1000:g} s"
        ) from error
    except (KafkaError, TimeoutError) as error:
        raise Failed(
            f"Kafka did not take the next batch ({str(error) or type(error).__name__}); {count} letters were replayed"
            " before it. Run it again when Kafka works (replayed letters are skipped)"
        ) from error


@asynccontextmanager
async def producer_of(
    settings: KafkaSettings, transactional_id: str = TRANSACTIONAL_ID
) -> AsyncIterator[AIOKafkaProducer]:
    """The only producer of this id. Opening it fences the previous one, and aborts its open transaction."""
    producer = make_transactional_producer(settings, transactional_id)
    try:
        async with asyncio.timeout(_OPEN_SECONDS):
            await producer.start()
        yield producer
    finally:
        await _at_most(producer.stop())


async def write(producer: AIOKafkaProducer, records: Iterable[Outgoing], seconds: float = _WRITE_SECONDS) -> None:
    """Write all of `records`, or none that a read_committed reader sees. After an error the producer cannot be used.

    Raises `KafkaError`, or `TimeoutError` after `seconds`.
    """
    await producer.begin_transaction()
    try:
        async with asyncio.timeout(seconds):
            confirmations = [
                await producer.send(
                    r.topic, r.value, key=r.key.encode(), headers=list(r.headers), partition=r.partition
                )
                for r in records
            ]
            await asyncio.gather(*confirmations)
            await producer.commit_transaction()
    except ProducerFenced:  # Kafka has ended this transaction already
        raise
    except BaseException:
        await _at_most(producer.abort_transaction())
        raise


async def _at_most(last: Awaitable[object]) -> None:
    """Await a last call for a short time. Without it Kafka aborts the transaction itself, after its time-out."""
    with suppress(KafkaError, TimeoutError):  # a fenced producer raises once more
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await last
