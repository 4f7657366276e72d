"""The writes of the services themselves, without Kafka: conversation's transactions and the sender's journal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from common.mongo import Mongo, schema
from conversation.batch.core import keys_of, plan
from conversation.batch.facts import Fact
from conversation.batch.plan import Plan
from conversation.batch.working_set import Chatbots, Known
from conversation.store import ORDERED_USAGE, ConversationStore
from sender.journal.store import JournalStore
from yardstick.stored.facts import ORDERED_SINCE, accepted_of, batches, claim_of
from yardstick.stored.turn import Turn

CONVERSATION: Final = (schema.CONVERSATIONS, schema.MESSAGES, schema.WEBHOOK_EVENTS, schema.USAGE_LOGS)
SENDER: Final = (schema.SEND_JOURNAL,)
_RETENTION: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Work:
    """Some writes of one service. `size` are the records or sends of a batch.

    `at_once`: all are received now, otherwise each when its turn is.
    """

    turns: Sequence[Turn]
    size: int
    at_once: bool = True

    async def conversation(self, mongo: Mongo) -> int:
        """Apply all records of the turns; how many."""
        store, now = ConversationStore(mongo), datetime.now(UTC)
        chatbots = {turn.phone_number_id: turn.chatbot for turn in self.turns}
        count = 0
        await store.ensure_indexes()
        async with store.owned_by("bench/0") as owned:
            for facts in list(batches(self.turns, self.size, now if self.at_once else None)):
                decide = partial(_decide, facts, chatbots, now)
                await store.apply(owned, keys_of(facts, chatbots), decide)
                count += len(facts)
        return count

    async def sender(self, mongo: Mongo) -> int:
        """Claim and accept the sends of the turns; how many."""
        journal, now = JournalStore(mongo.database, retention=_RETENTION), datetime.now(UTC)
        for first in range(0, len(self.turns), self.size):
            turns = self.turns[first : first + self.size]
            claims = [claim_of(turn, self._received(turn, now)) for turn in turns]
            await journal.write(claims)
            await journal.write(
                [
                    accepted_of(turn, claimed, self._received(turn, now))
                    for turn, claimed in zip(turns, claims, strict=True)
                ]
            )
        return len(self.turns)

    def _received(self, turn: Turn, now: datetime) -> datetime:
        return now if self.at_once else turn.received


def _decide(facts: Sequence[Fact], chatbots: Chatbots, now: datetime, known: Known) -> Plan:
    return plan(facts, known, chatbots, now)


async def ensure_indexes(mongo: Mongo) -> None:
    """All indexes that the two services declare, in a database that has had ordered ids from the beginning on."""
    await mongo.database[schema.STORED_FORMS.name].insert_one({"_id": ORDERED_USAGE, "since": ORDERED_SINCE})
    await ConversationStore(mongo).ensure_indexes()
    await JournalStore(mongo.database, retention=_RETENTION).ensure_indexes()
