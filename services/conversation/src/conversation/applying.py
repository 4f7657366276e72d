"""Applies records: what they say is stored in one MongoDB transaction, and what is to be published comes out."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from common.contracts.topics import WEBHOOKS_DLQ
from common.errors import Unavailable
from common.kafka.consume.dlq_limit import DeadLetterLimit
from common.kafka.records import Outgoing
from common.mongo import MongoError, OwnedSession, encoding_error, refuses_document
from common.security.callbacks import Callbacks
from common.telemetry.metrics import DEAD_LETTERS
from common.telemetry.tenants import Tenants
from conversation.batch.core import keys_of, plan
from conversation.batch.facts import Fact, Poison, Record, Result, read
from conversation.chatbot_directory import ChatbotDirectory
from conversation.dead_letters import code_of, dead_letter, place_of
from conversation.number_events import number_records
from conversation.store import ConversationStore
from conversation.telemetry import BatchTelemetry, note_facts

log = logging.getLogger(__name__)

_OUTSIDE = (MongoError, Unavailable, TimeoutError, OSError)  # not the record's fault: the batch is read again


def is_outage(error: Exception) -> bool:
    """Whether something outside failed. Otherwise a record breaks the batch that it is in."""
    return isinstance(error, _OUTSIDE) and not refuses_document(error)


class Applying:
    """What a batch of records does. It does not know of partitions: records come in the order in which they apply."""

    def __init__(
        self,
        store: ConversationStore,
        directory: ChatbotDirectory,
        dead_letters: DeadLetterLimit,
        *,
        tenants: Tenants,
        callbacks: Callbacks,
    ) -> None:
        self._store = store
        self._directory = directory
        self._dead_letters = dead_letters
        self._tenants = tenants
        self._callbacks = callbacks

    def owned_by(self, *partitions: str, sessions: int) -> OwnedSession:
        """The sessions under which batches of these partitions are stored, so many at the same time."""
        return self._store.owned_by(*partitions, sessions=sessions)

    async def together(
        self, owned: OwnedSession, records: Sequence[Record], batch: BatchTelemetry, seconds: float
    ) -> list[Outgoing]:
        """Store what the records say in one transaction. Returns what is to be published, with dead letters.

        Raises what breaks the batch; then nothing is stored.
        """
        read_records = [storable(record, read(record, self._callbacks)) for record in records]
        facts = [fact for fact in read_records if not isinstance(fact, Poison)]
        letters = [_letter(poison) for poison in read_records if isinstance(poison, Poison)]
        if letters:
            log.warning("records go to the dead-letter queue", extra={"count": len(letters)})
        return [*await self._store_facts(owned, facts, batch, seconds), *letters]

    async def apart(
        self, owned: OwnedSession, records: Sequence[Record], batch: BatchTelemetry, seconds: float
    ) -> list[Outgoing]:
        """The same, but a record that breaks the batch becomes a dead letter. Raises what an outage raises."""
        try:
            return await self.together(owned, records, batch, seconds)
        except Exception as error:
            if is_outage(error):
                raise
            if len(records) == 1:
                place = {"topic": records[0].topic, "partition": records[0].partition, "offset": records[0].offset}
                log.exception("a record cannot be applied", extra=place)
                return [_letter(Poison(records[0], repr(error), "not_applicable"))]
            # One record breaks the batch. Halving the batch stores the others and finds that record.
            middle = len(records) // 2
            halves = records[:middle], records[middle:]
            return [outgoing for half in halves for outgoing in await self.apart(owned, half, batch, seconds)]

    def count(self, records: Sequence[Record], outgoing: Sequence[Outgoing]) -> None:
        """Count each record of a whole batch once, by tenant. If it raises `Halted`, no dead letters are written."""
        tenants = {place_of(record): self._directory.tenant(record.key) for record in records}
        letters = [code_of(letter) for letter in outgoing if letter.topic == WEBHOOKS_DLQ.name]
        dead = Counter(tenants[place] for place, _ in letters)
        # Tenants without dead letters first, so that they count as active when the others are judged.
        for tenant, count in sorted(Counter(tenants.values()).items(), key=lambda counted: dead[counted[0]]):
            self._dead_letters.note(records=count, letters=dead[tenant], now=time.time(), tenant=tenant)
        for place, code in letters:
            DEAD_LETTERS.labels(WEBHOOKS_DLQ.name, code, self._tenants.name(tenants[place])).inc()

    async def _store_facts(
        self, owned: OwnedSession, facts: Sequence[Fact], batch: BatchTelemetry, seconds: float
    ) -> list[Outgoing]:
        if not facts:
            return []
        numbers = {fact.event.data.phone_number_id or "" for fact in facts if not isinstance(fact, Result)} - {""}
        chatbots = await self._directory.chatbots(numbers)
        deactivated = self._directory.deactivated(chatbots)
        now, began = datetime.now(UTC), time.time_ns()
        done = await self._store.apply(
            owned,
            keys_of(facts, chatbots),
            lambda known: plan(facts, known, chatbots, now, deactivated),
            seconds=seconds,
        )
        batch.stored(facts, began)
        note_facts(facts, chatbots, self._tenants)
        return [*(pending.record(now) for pending in done.events), *number_records(facts, now)]


def storable(record: Record, fact: Fact | Poison) -> Fact | Poison:
    """A result whose request MongoDB cannot store is poison. It is found here, so that it does not break its batch."""
    request = fact.event.data.request if isinstance(fact, Result) else None
    error = encoding_error(request) if request else None
    return fact if error is None else Poison(record, error, "not_storable")


def _letter(poison: Poison) -> Outgoing:
    return dead_letter(poison, datetime.now(UTC))
