"""What a query is run on: a database with a year in it, the services' stores over it, and keys by chance."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from pydantic import SecretStr

from accounts.core import AccountRequest, Keys, change_for
from accounts.store import AccountStore
from common.contracts.contacts import Contact
from common.contracts.ids import inbound_message_id
from common.mongo import Mongo, MongoSettings, schema
from common.security.digests import KEY_BYTES, DigestKeys
from common.security.key_ring import KeyRing
from conversation.batch.core import keys_of, plan
from conversation.batch.facts import Fact
from conversation.batch.plan import Plan
from conversation.read_api.documents import Documents
from conversation.read_api.order import Position
from conversation.read_api.queries import Reach, ReadQueries
from conversation.store import ORDERED_USAGE, ConversationStore
from sender.journal.opt_outs import OptOutStore
from sender.journal.store import JournalStore
from sender.limits.store import NumberStore
from sender.media.store import MediaStore
from sender.records.job import lane_of
from sender.waiting.parked_store import Parked, ParkStore
from sender.waiting.scheduled_store import Scheduled, ScheduleStore
from sender.waiting.stored_record import StoredRecord
from yardstick.stored.facts import ORDERED_SINCE, fact_of
from yardstick.stored.seeding import conversation_of
from yardstick.stored.turn import NUMBERS, Turn, webhook
from yardstick.stored.year import Year

PAGE: Final = 50
"""The limit of the read API when none is given."""

PARTITIONS: Final = 12
FIRST: Final = "first"
"""The token of what waits."""

LANES: Final = 5
"""Parked sends of each lane."""

_RETENTION: Final = timedelta(days=30)
_RING: Final = KeyRing({"k1": bytes(KEY_BYTES)}, "k1")
DIGESTS: Final = Keys(_RING, DigestKeys({"v1": bytes(KEY_BYTES)}, "v1"))
ROTATED: Final = Keys(_RING, DigestKeys({"v1": bytes(KEY_BYTES), "v2": bytes(KEY_BYTES)}, "v2"))

EVERYONE: Final = Reach(None)
CHATBOTS: Final = [f"bench-{number:05}" for number in range(NUMBERS)]
MANY: Final = Reach(frozenset([*CHATBOTS, *(f"other-{number:03}" for number in range(150))]))
"""More chatbots than MongoDB merges at once."""


@dataclass(slots=True)
class World:
    """Each method that picks something picks by chance."""

    mongo: Mongo
    year: Year
    waiting: int
    chance: random.Random
    store: ConversationStore = field(init=False)
    reads: ReadQueries = field(init=False)
    journal: JournalStore = field(init=False)
    opt_outs: OptOutStore = field(init=False)
    parked: ParkStore = field(init=False)
    scheduled: ScheduleStore = field(init=False)
    media: MediaStore = field(init=False)
    numbers: NumberStore = field(init=False)
    accounts: AccountStore = field(init=False)
    _next: int = field(init=False)

    def __post_init__(self) -> None:
        database = self.mongo.database
        self.store = ConversationStore(self.mongo)
        self.reads = ReadQueries(Documents(database))
        self.journal = JournalStore(database, retention=_RETENTION)
        self.opt_outs = OptOutStore(database)
        self.parked, self.scheduled = ParkStore(database), ScheduleStore(database)
        self.media, self.numbers, self.accounts = MediaStore(database), NumberStore(database), AccountStore(self.mongo)
        self._next = self.chance.randrange(10**8, 9 * 10**8)

    @property
    def database(self) -> Any:
        """The database."""
        return self.mongo.database

    @property
    def now(self) -> datetime:
        """In milliseconds, as MongoDB stores it."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def turn(self, collection: str = schema.MESSAGES.name) -> Turn:
        """A turn that still has documents in this collection."""
        return self.year.turn(self.chance.randrange(self.year.first_kept(collection), self.year.turns))

    def fresh(self) -> Turn:
        """A turn that has not been, of a customer who is there."""
        self._next += 1
        return Turn(self._next, self.chance.randrange(self.year.people.count), self.now)

    def stranger(self) -> Turn:
        """A turn of a customer who is not there yet."""
        self._next += 1
        return Turn(self._next, self._next, self.now)

    def conversation(self) -> str:
        """The id of a conversation."""
        return conversation_of(self.turn())

    def inbound(self, collection: str = schema.MESSAGES.name) -> str:
        """The id of a customer's message."""
        turn = self.turn(collection)
        return inbound_message_id(turn.phone_number_id, turn.wamid_in)

    def behind(self, collection: str = schema.MESSAGES.name, *, place: int | None = None) -> Position:
        """A position anywhere in a listing."""
        return Position(self.turn(collection).received, place, "8")

    def recently(self) -> Position:
        """A position anywhere in the list of conversations. Each customer has written in the last fifth of the year."""
        number = self.chance.randrange(self.year.turns - self.year.people.count, self.year.turns)
        return Position(self.year.turn(number).received, None, "8")

    def lane(self) -> tuple[int, str, str]:
        """Partition, lane and chatbot of parked sends."""
        nth = self.chance.randrange(max(1, self.waiting // LANES))
        return nth % PARTITIONS, f"lane-{nth}", CHATBOTS[nth % NUMBERS]

    async def apply(self, facts: Sequence[Fact], partition: str = "bench/0") -> Plan:
        """Apply these facts as conversation does."""
        turns = {f"1065403522{number:05}": chatbot for number, chatbot in enumerate(CHATBOTS)}
        decide = partial(_decide, facts, turns, self.now)
        async with self.store.owned_by(partition) as owned:
            return await self.store.apply(owned, keys_of(facts, turns), decide)

    def said(self, contact: Contact, at: datetime | None = None) -> Fact:
        """A message of this person to the first number."""
        turn, now = self.fresh(), self.now
        message = {"id": turn.wamid_in, "timestamp": f"{(at or now).timestamp():.0f}", "type": "text"}
        ids = {"from": contact.wa_id, "from_user_id": contact.user_id}
        message |= {name: value for name, value in ids.items() if value is not None}
        record = webhook("106540352200000", contact, {"messages": [{**message, "text": {"body": "Hello"}}]}, at or now)
        return fact_of(turn, record, 0)


def _decide(facts: Sequence[Fact], chatbots: Any, now: datetime, known: Any) -> Plan:
    return plan(facts, known, chatbots, now)


@asynccontextmanager
async def world_of(uri: str, database: str, year: Year, waiting: int, seed: int = 1) -> AsyncIterator[World]:
    """The world over a database with a year in it. `waiting` are the sends that are parked, and as many scheduled."""
    mongo = Mongo(MongoSettings(mongodb_uri=SecretStr(uri), mongodb_database=database))
    try:
        yield World(mongo, year, waiting, random.Random(seed))  # noqa: S311  # the same keys in every run
    finally:
        await mongo.close()


async def prepare(world: World) -> None:
    """Accounts, waiting sends, and all indexes; harmless to repeat."""
    forms = world.database[schema.STORED_FORMS.name]
    await forms.update_one({"_id": ORDERED_USAGE}, {"$setOnInsert": {"since": ORDERED_SINCE}}, upsert=True)
    await forms.update_one({"_id": "usage_days"}, {"$setOnInsert": {"since": ORDERED_SINCE}}, upsert=True)
    for store in (
        world.store,
        world.journal,
        world.parked,
        world.scheduled,
        world.media,
        world.numbers,
        world.accounts,
    ):
        await store.ensure_indexes()
    for number, chatbot in enumerate(CHATBOTS):
        await world.accounts.save(chatbot, account_change(chatbot, f"1065403522{number:05}", world.now), world.now)
    sends = [parked(nth) for nth in range(world.waiting)]
    later = [scheduled(nth, world.now.timestamp()) for nth in range(world.waiting)]
    for first in range(0, world.waiting, 1_000):
        await world.parked.park(sends[first : first + 1_000])
        await world.scheduled.put(later[first : first + 1_000])


def account_change(chatbot: str, number: str, now: datetime) -> Any:
    """What creates this account."""
    request = AccountRequest(
        chatbot_id=chatbot,
        phone_number_id=number,
        access_token=SecretStr("bench-token"),
        webhook_verify_token=SecretStr("bench-verify"),
    )
    return change_for(request, DIGESTS, now, existing=False)


def parked(nth: int, token: str = FIRST) -> Parked:
    """One parked send. Every fourth lane is a backlog; every tenth has another name of its person."""
    lane = nth // LANES
    return Parked(
        id=f"parked-{nth}",
        token=token,
        record=_record(nth, lane % PARTITIONS),
        lane=f"lane-{lane}",
        group=CHATBOTS[lane % NUMBERS],
        order=nth,
        due=0.0,
        in_doubt=False,
        strikes=0,
        backlog=lane // PARTITIONS % 4 == 3,
        named=f"name-{lane}" if lane % 10 == 0 else None,
    )


def scheduled(nth: int, now: float) -> Scheduled:
    """One scheduled send. One of a hundred waits because Meta refuses its template."""
    apart = (CHATBOTS[nth // 100 % NUMBERS], "template") if nth % 100 == 0 else None
    return Scheduled(
        id=f"scheduled-{nth}", token=FIRST, record=_record(nth, nth % PARTITIONS), due=now + nth, apart=apart
    )


def waiting_for(turn: Turn) -> tuple[Parked, Scheduled]:
    """Sends that wait for the customer of this turn."""
    to, at = f"+{turn.contact.wa_id}", turn.moment.timestamp()
    body = f'{{"chatbotId":"{turn.chatbot}","to":"{to}","message":"Hello","messageId":"{turn.message_id}"}}'
    record = replace(_record(turn.number, 0), value=body.encode())
    one = replace(parked(turn.number), id=f"{turn.journal_id}/1", record=record, group=turn.chatbot)
    return replace(one, lane=lane_of(turn.chatbot, to)), replace(scheduled(turn.number, at), record=record)


def _record(nth: int, partition: int) -> StoredRecord:
    body = f'{{"chatbotId":"bench-00000","to":"+4915{nth:09}","message":"Hello","messageId":"waiting-{nth}"}}'
    return StoredRecord(partition=partition, topic="whatsapp-cloud-send", offset=nth, headers={}, value=body.encode())
