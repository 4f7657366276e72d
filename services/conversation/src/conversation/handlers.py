"""Conversation's work on a partition: read a batch, apply it in MongoDB, publish and commit in Kafka.

The order is the promise (P2): MongoDB first, in one transaction; then one Kafka transaction with the events and the
offset. A crash in between replays the batch, and the plan finds by the origins which events have yet to be published.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from common.contracts.topics import WEBHOOKS_DLQ
from common.errors import Unavailable
from common.kafka.consume.dlq_limit import DeadLetterLimit
from common.kafka.consume.partition_session import PartitionSession
from common.kafka.records import CORRELATION_ID, MAX_CORRELATION_ID, TRACEPARENT, Outgoing
from common.mongo import MongoError, OwnedSession, encoding_error, refuses_document
from common.mongo.indexes import Indexes
from common.security.callbacks import Callbacks
from common.telemetry.metrics import DEAD_LETTERS
from common.telemetry.tenants import Tenants
from conversation.batch.core import keys_of, plan
from conversation.batch.facts import Fact, Poison, Record, Result, header_text, read
from conversation.batch_size import BatchSize
from conversation.chatbot_directory import ChatbotDirectory
from conversation.number_events import number_records
from conversation.store import ConversationStore
from conversation.telemetry import BatchTelemetry, note_facts

log = logging.getLogger(__name__)

_KEPT_HEADERS: Final = (TRACEPARENT, CORRELATION_ID)
_MAX_KEY: Final = 1_024  # characters
_LOOK_SECONDS = 1.0
_OUTSIDE = (MongoError, Unavailable, TimeoutError, OSError)  # not the record's fault: the batch is read again


class ConversationWorker:
    """Applies the records of every partition that this process is given (`PartitionGroup`'s worker)."""

    def __init__(
        self,
        store: ConversationStore,
        directory: ChatbotDirectory,
        indexes: Indexes,
        dead_letters: DeadLetterLimit,
        *,
        batch_records: int,
        tenants: Tenants,
        callbacks: Callbacks,
    ) -> None:
        self._store = store
        self._dead_letters = dead_letters
        self._directory = directory
        self._indexes = indexes
        self._batch_size = BatchSize(batch_records)
        self._tenants = tenants
        self._callbacks = callbacks

    async def __call__(self, session: PartitionSession) -> None:
        """Work until the partition is revoked. Errors of MongoDB and Kafka are raised, and the session starts again."""
        if not await self._may_begin(session):
            return
        async with self._store.owned_by(f"{session.group}/{session.slot}") as owned:
            while not session.stopping.is_set():
                for partition, records in (await session.fetch(max_records=self._batch_size.size)).items():
                    batch = BatchTelemetry(partition.topic, partition.partition, session.group, len(records))
                    outgoing = await self._apply_in_time(owned, records, batch)
                    await session.commit(outgoing, {partition: records[-1].offset + 1})
                    batch.committed()

    async def _apply_in_time(
        self, owned: OwnedSession, records: Sequence[Record], batch: BatchTelemetry
    ) -> list[Outgoing]:
        try:
            outgoing = await self.apply(owned, records, batch)
        except TimeoutError:
            self._batch_size.shrink(len(records))
            log.warning(
                "a transaction did not get through in time; the next batches are smaller",
                extra={"records": len(records), "next": self._batch_size.size},
            )
            raise
        self._batch_size.grow(len(records))
        self._count(records, outgoing)
        return outgoing

    def _count(self, records: Sequence[Record], outgoing: Sequence[Outgoing]) -> None:
        """Count each record of a whole batch once, by tenant. If it raises `Halted`, no dead letters are written."""
        tenants = {record.offset: self._directory.tenant(record.key) for record in records}
        letters = [code_of(letter) for letter in outgoing if letter.topic == WEBHOOKS_DLQ.name]
        dead = Counter(tenants[offset] for offset, _ in letters)
        # Tenants without dead letters first, so that they count as active when the others are judged.
        for tenant, count in sorted(Counter(tenants.values()).items(), key=lambda counted: dead[counted[0]]):
            self._dead_letters.note(records=count, letters=dead[tenant], now=time.time(), tenant=tenant)
        for offset, code in letters:
            DEAD_LETTERS.labels(WEBHOOKS_DLQ.name, code, self._tenants.name(tenants[offset])).inc()

    async def apply(self, owned: OwnedSession, records: Sequence[Record], batch: BatchTelemetry) -> list[Outgoing]:
        """Store what the records of a batch, or of a part of it, say. Returns records to publish, with dead letters."""
        read_records = [storable(record, read(record, self._callbacks)) for record in records]
        facts = [fact for fact in read_records if not isinstance(fact, Poison)]
        letters = [dead_letter(poison) for poison in read_records if isinstance(poison, Poison)]
        if letters:
            log.warning("records go to the dead-letter queue", extra={"count": len(letters)})
        try:
            return [*await self._store_facts(owned, facts, batch), *letters]
        except Exception as error:
            if isinstance(error, _OUTSIDE) and not refuses_document(error):
                raise
            if len(records) == 1:
                log.exception("a record cannot be applied", extra={"offset": records[0].offset})
                return [dead_letter(Poison(records[0], repr(error), "not_applicable"))]
            # One record breaks the batch. Halving the batch stores the others and finds that record.
            middle = len(records) // 2
            halves = records[:middle], records[middle:]
            return [outgoing for half in halves for outgoing in await self.apply(owned, half, batch)]

    async def _store_facts(self, owned: OwnedSession, facts: Sequence[Fact], batch: BatchTelemetry) -> list[Outgoing]:
        if not facts:
            return []
        numbers = {fact.event.data.phone_number_id or "" for fact in facts if not isinstance(fact, Result)} - {""}
        chatbots = await self._directory.chatbots(numbers)
        deactivated = self._directory.deactivated(chatbots)
        now, began = datetime.now(UTC), time.time_ns()
        done = await self._store.apply(
            owned, keys_of(facts, chatbots), lambda known: plan(facts, known, chatbots, now, deactivated)
        )
        batch.stored(facts, began)
        note_facts(facts, chatbots, self._tenants)
        return [*(pending.record(now) for pending in done.events), *number_records(facts, now)]

    async def _may_begin(self, session: PartitionSession) -> bool:
        """Wait for the unique indexes: without them nothing may be written."""
        waits: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._indexes.wait()),
            asyncio.create_task(session.stopping.wait()),
        ]
        tries = self._indexes.tries
        try:
            while not (await asyncio.wait(waits, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED))[0]:
                if self._indexes.tries != tries:
                    tries = self._indexes.tries
                    session.tried()
        finally:
            for wait in waits:
                wait.cancel()
        return not session.stopping.is_set()


def storable(record: Record, fact: Fact | Poison) -> Fact | Poison:
    """A result whose request MongoDB cannot store is poison. It is found here, so that it does not break its batch."""
    request = fact.event.data.request if isinstance(fact, Result) else None
    error = encoding_error(request) if request else None
    return fact if error is None else Poison(record, error, "not_storable")


def dead_letter(poison: Poison) -> Outgoing:
    """The record as it came, with the reason and its place on Kafka. Key and value are cut to what the topic takes."""
    record, headers = poison.record, header_text(poison.record)
    kept = {name: headers[name] for name in _KEPT_HEADERS if 0 < len(headers.get(name, "")) <= MAX_CORRELATION_ID}
    about = {
        **kept,
        "reason": poison.reason[:1000],
        "code": poison.code,
        "origin-topic": record.topic,
        "origin-partition": str(record.partition),
        "origin-offset": str(record.offset),
        "first-failed-at": datetime.now(UTC).isoformat(),
    }
    key = (record.key or b"").decode("utf-8", "replace")[:_MAX_KEY]
    value = (record.value or b"")[: WEBHOOKS_DLQ.max_value_bytes - len(key.encode())]
    return Outgoing(WEBHOOKS_DLQ.name, key, value, [(name, v.encode()) for name, v in about.items()])


def code_of(letter: Outgoing) -> tuple[int, str]:
    """The offset of a dead letter's record, and its code."""
    headers = dict(letter.headers)
    return int(headers["origin-offset"]), headers["code"].decode()
