"""What conversation makes of a turn: records as consumed, and the documents of one turn by its own plan. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from common.contracts import topics
from common.contracts.journal import Entry, State, to_document
from common.kafka.records import Outgoing
from common.mongo import Document, schema
from conversation.batch.core import plan
from conversation.batch.facts import Fact, Poison, read
from conversation.batch.working_set import Known
from sender.cas_token import new_token
from sender.delivery.transitions import claim, new_entry, record
from sender.journal.transition import Transition
from sender.outcomes import Sent
from yardstick.stored.turn import CALLBACKS, STATUSES, Turn

PARTITIONS: Final = 6
_FIRST: Final = 1_000_000_000
"""Offsets have ten digits from the beginning on, so that all have equally many."""

KEPT: Final = timedelta(days=30)
"""How long the journal keeps an entry."""

ORDERED_SINCE: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""All usage entries have ordered ids, as in a database that has had them for long."""

_OWNER: Final = "sender-0/whatsapp-cloud-send/0"
_OF_TURN: Final = 4  # records of the webhook topic


@dataclass(slots=True)
class Consumed:
    """A record in the form of Kafka's client."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Iterable[tuple[str, bytes]]


def offset_of(turn: int, nth: int) -> int:
    """The offset of the turn's webhook record `nth`."""
    return _FIRST + turn * _OF_TURN + nth


def consumed(turn: Turn, written: Outgoing, nth: int) -> Consumed:
    """The record as it comes from Kafka; `nth` counts the turn's records of its topic."""
    offset = offset_of(turn.number, nth)
    return Consumed(
        written.topic, turn.customer % PARTITIONS, offset, written.key.encode(), written.value, written.headers
    )


def fact_of(turn: Turn, written: Outgoing, nth: int) -> Fact:
    """What conversation reads in it."""
    fact = read(consumed(turn, written, nth), CALLBACKS)
    if isinstance(fact, Poison):
        raise TypeError(fact.reason)
    return fact


def facts_of(turn: Turn, now: datetime, words: Sequence[str] = STATUSES) -> list[Fact]:
    """The facts of a whole turn, in their order, with these statuses."""
    webhooks = 0
    facts = []
    for written in turn.records(now, words):
        facts.append(fact_of(turn, written, webhooks))
        webhooks += written.topic == topics.WEBHOOKS.name
    return facts


def documents_of(turn: Turn, now: datetime, words: Sequence[str] = STATUSES) -> dict[str, list[Document]]:
    """All documents of a turn with a new person, by collection."""
    done = plan(
        facts_of(turn, now, words), Known(ordered_since=ORDERED_SINCE), {turn.phone_number_id: turn.chatbot}, now
    )
    (conversation,) = done.working.conversations.values()
    messages = [
        {**message.document, "conversationId": message.conversation_id} for message in done.working.messages.values()
    ]
    usage = {document["_id"]: document for document in done.usage}
    return {
        schema.CONVERSATIONS.name: [conversation.document],
        schema.MESSAGES.name: messages,
        schema.WEBHOOK_EVENTS.name: done.webhook_events,
        schema.USAGE_LOGS.name: list(usage.values()),
        schema.SEND_JOURNAL.name: [_stored(accepted_of(turn, claim_of(turn, now), now).entry)],
    }


def _stored(entry: Entry) -> Document:
    assert entry.state is State.ACCEPTED  # noqa: S101  # as `accepted_of` made it
    return to_document(entry, expireAt=entry.at + KEPT)


def claim_of(turn: Turn, now: datetime) -> Transition:
    """What the sender writes before its call."""
    fresh = new_entry(
        turn.journal_id,
        turn.chatbot,
        turn.message_id,
        f"+{turn.contact.wa_id}",
        now,
        turn.phone_number_id,
        digest=turn.journal_id[:16],
    )
    return claim(None, fresh, 1, phone_number_id=turn.phone_number_id, owner=_OWNER, token=new_token(), now=now)


def accepted_of(turn: Turn, claimed: Transition, now: datetime) -> Transition:
    """What the sender writes after its call."""
    sent = Sent(turn.wamid_out, turn.contact, None)
    done = record(claimed.entry, claimed.entry, sent, owner=_OWNER, token=new_token(), now=now)
    if done is None:
        raise TypeError("an acceptance is always recorded")
    return done


def batches(turns: Sequence[Turn], size: int, now: datetime | None) -> Iterable[list[Fact]]:
    """The facts of these turns as they come when all are under way at once, in batches of about `size`.

    A batch has the questions of some turns, the results and first statuses of those before, and so on. `now` is when
    all of them are received; None: each when its turn is.
    """
    group = max(1, size // 5)
    groups = [turns[first : first + group] for first in range(0, len(turns), group)]
    ready = [[facts_of(turn, now or turn.received) for turn in some] for some in groups]
    for nth in range(len(ready) + 3):
        batch: list[Fact] = []
        for behind, kinds in enumerate(((0,), (1, 2), (3,), (4,))):
            if 0 <= nth - behind < len(ready):
                batch += [facts[kind] for kind in kinds for facts in ready[nth - behind]]
        yield batch
