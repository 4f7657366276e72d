"""The store on a real MongoDB: the same batches lead to the same as in the tests' memory, and all of it or nothing."""

import asyncio
import random
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from conversation_builders import ADA, BOT, NOW, NUMBER, Memory, again, message, read, result, status, torn, webhook

from common.contracts import sends, webhooks
from common.contracts.contacts import Contact
from common.contracts.ids import derive_id, journal_id
from common.contracts.stored.usage import COUNTED, KEYS
from common.mongo import Mongo, MongoSettings, OwnedSession, schema
from common.mongo.index_plan import Standing
from common.mongo.indexes import compare_indexes
from conversation.batch.core import keys_of, plan
from conversation.store import DATED_LOG, ORDERED_USAGE, RETENTION, ConversationStore

pytestmark = pytest.mark.integration

PRICING = {"pricing_model": "PMP", "type": "regular", "category": "service"}
PHONE, BSUID = Contact(wa_id="491510000001"), Contact(user_id="DE.1001")


class Room:
    """The store, and `memory` beside it, which has to come to the same."""

    def __init__(self, mongodb_uri):
        self.settings = MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"store_{uuid.uuid4().hex[:10]}")
        self.mongo = Mongo(self.settings)
        self.store = ConversationStore(self.mongo, webhook_log_days=3)
        self.memory = Memory()

    async def apply(self, *records, store=None, slot="test", now=NOW):
        """Events as they would be published."""
        facts = [read(record) for record in records]
        store = store or self.store
        async with OwnedSession(self.mongo, slot) as owned:
            done = await store.apply(owned, keys_of(facts, BOT), lambda known: plan(facts, known, BOT, now))
        return [pending.record(NOW) for pending in done.events]

    async def same(self, *records):
        """Apply the batch to both, and compare what is published and what is kept."""
        stored = await self.apply(*records)
        remembered, _ = self.memory.run(*records)
        assert [(e.topic, e.key, e.value) for e in stored] == [(e.topic, e.key, e.value) for e in remembered]
        assert await self.all_of(self.store.messages) == present(self.memory.messages)
        kept, merged = split(await self.all_of(self.store.conversations))
        assert (kept, merged) == split(present(self.memory.conversations))

    async def all_of(self, collection):
        return {document["_id"]: document async for document in collection.find({})}

    async def clear(self):
        self.memory = Memory()
        for collection in (
            self.store.messages,
            self.store.conversations,
            self.store.webhook_events,
            self.store.usage_logs,
            self.store.usage_days,
        ):
            await collection.delete_many({})


def present(documents):
    """Absent rather than null, as it is stored."""
    return {key: {k: v for k, v in document.items() if v is not None} for key, document in documents.items()}


def split(conversations):
    """Those that stand, whole; and into which the others went."""
    merged = {key: one["mergedInto"] for key, one in conversations.items() if "mergedInto" in one}
    return {key: one for key, one in conversations.items() if key not in merged}, merged


@pytest.fixture
async def room(mongodb_uri):
    room = Room(mongodb_uri)
    await room.store.ensure_indexes()
    yield room
    await room.mongo.client.drop_database(room.settings.mongodb_database)
    await room.mongo.close()


def system_change():
    system = {"type": "user_changed_user_id", "body": "changed", "user_id": "DE.2", "previous_user_id": "DE.1"}
    raw = {"id": "wamid.SYS", "type": "system", "timestamp": "1793525400", "system": system}
    return webhook(webhooks.MESSAGE, raw, contact=Contact(user_id="DE.2"), wamid="wamid.SYS")


SECOND = Contact(user_id="DE.2", wa_id=ADA.wa_id)
MOVED = Contact(user_id="DE.3", wa_id="491510000003")
CALLED = {"calls": [{"from": ADA.wa_id, "direction": "USER_INITIATED"}]}


def new_number():
    system = {"type": "user_changed_number", "wa_id": MOVED.wa_id}
    return webhook(webhooks.MESSAGE, {"id": "wamid.SYS", "type": "system", "system": system}, ADA, "wamid.SYS")


def replayed():
    first, second = message("wamid.1"), status("sent", pricing=PRICING)
    return [[first, second], [first, second], [again(first), again(second)], [second]]


SEQUENCES = {
    "one person": lambda: [[message("wamid.1"), message("wamid.2")], [message("wamid.3")]],
    "two people": lambda: [[message("wamid.1", contact=PHONE), message("wamid.2", contact=Contact(user_id="FR.1"))]],
    "a replay and repetitions": replayed,
    "twice in one batch": lambda: [[one := message("wamid.1"), again(one)]],
    "two that are one": lambda: [
        [message("wamid.1", contact=PHONE), message("wamid.2", contact=PHONE)],
        [message("wamid.3", contact=BSUID)],
        [message("wamid.4")],
        [message("wamid.5", contact=PHONE), message("wamid.6", contact=BSUID)],
    ],
    "two that are one within a batch": lambda: [
        [message("wamid.1", contact=PHONE)],
        [message("wamid.2", contact=BSUID), message("wamid.3")],
        [message("wamid.4", contact=BSUID)],
    ],
    "sends to two that are one": lambda: [
        [result(to="+491510000001")],
        [result(message_id="m2", wamid="wamid.OUT2", to="DE.1001")],
        [status("delivered"), status("read", wamid="wamid.OUT2", message_id="m2")],
        [message("wamid.1")],
    ],
    "a person whose id changes": lambda: [
        [message("wamid.1", contact=Contact(user_id="DE.1"))],
        [system_change()],
        [message("wamid.2", contact=Contact(user_id="DE.2"))],
    ],
    "a recycled number": lambda: [
        [message("wamid.1")],
        [message("wamid.2", contact=SECOND), message("wamid.3", contact=Contact(wa_id=ADA.wa_id))],
        [message("wamid.4", contact=BSUID)],
    ],
    "two who exchange their numbers": lambda: [
        [message("wamid.1"), message("wamid.2", contact=Contact(user_id="DE.2", wa_id="491510000002"))],
        [
            message("wamid.3", contact=Contact(user_id="DE.1001", wa_id="491510000002")),
            message("wamid.4", contact=SECOND),
        ],
    ],
    "a new number": lambda: [[message("wamid.1")], [new_number()], [message("wamid.2", contact=MOVED)]],
    "a call": lambda: [[webhook(webhooks.CHANGE, CALLED)], [message("wamid.1"), webhook(webhooks.CHANGE, CALLED)]],
    "result, then statuses": lambda: [
        [result()],
        [status("sent", pricing=PRICING), status("delivered", pricing=PRICING)],
        [status("read")],
    ],
    "statuses, then result": lambda: [[status("read", contact=None)], [status("sent")], [result()]],
    "a status without a contact first": lambda: [[status("failed", contact=None)], [result(sends.FAILED)]],
    "doubt, then a status": lambda: [[result(sends.IN_DOUBT)], [status("sent")], [result(attempts=2)]],
    "a second wamid": lambda: [[result()], [status("sent", wamid="wamid.LATE")], [status("read", wamid="wamid.LATE")]],
    "another system's message": lambda: [[status("sent", ours=False)], [status("read", ours=False)]],
    "unsigned statuses, then result": lambda: [
        [status("sent", ours=False, pricing=PRICING)],
        [status("failed", ours=False, contact=None)],
        [result()],
        [status("delivered", ours=False, pricing=PRICING)],
    ],
    "unsigned statuses and the result in one batch": lambda: [
        [status("sent", ours=False), result(), status("read", ours=False)],
        [status("delivered")],
    ],
    "a doubt, unsigned statuses, then the result": lambda: [
        [result(sends.IN_DOUBT)],
        [status("sent", ours=False)],
        [result(attempts=2)],
    ],
    "a group": lambda: [
        [status("delivered", recipient_participant_user_id=f"DE.{n}") for n in range(3)],
        [status("read", recipient_participant_user_id=f"DE.{n}") for n in range(3)],
    ],
    "a read mark": lambda: [[result(body={"type": "read", "message_id": "wamid.IN1"})]],
    "another change": lambda: [[webhook(webhooks.CHANGE, {"event": "PIN_CHANGED"}), message("wamid.1")]],
}


@pytest.mark.parametrize("name", SEQUENCES)
async def test_batches_lead_to_the_same_in_mongodb_and_in_memory(room, name):
    for batch in SEQUENCES[name]():
        await room.same(*batch)


@pytest.mark.parametrize("seed", range(8))
async def test_batches_in_any_order_lead_to_the_same_in_mongodb_and_in_memory(room, seed):
    chance = random.Random(seed)
    records = [
        *(message(f"wamid.{n}", contact=chance.choice([PHONE, BSUID, Contact(user_id="FR.1")])) for n in range(6)),
        message("wamid.both"),
        result(),
        result(message_id="m2", wamid="wamid.OUT2", to="DE.1001"),
        *(status(word, pricing=PRICING) for word in ("sent", "delivered", "read")),
        *(status(word, wamid="wamid.OUT2", message_id="m2", contact=None) for word in ("sent", "failed")),
    ]
    records += [again(record) for record in chance.sample(records, 4)]
    chance.shuffle(records)
    while records:
        count = chance.randint(1, 5)
        batch, records = records[:count], records[count:]
        await room.same(*batch)
        if chance.random() < 0.3:
            await room.same(*batch)  # as after a crash


async def test_the_messages_of_a_merged_conversation_follow_it_though_no_batch_names_them(room):
    await room.apply(*(message(f"wamid.{n}", contact=PHONE) for n in range(5)))
    await room.apply(*(message(f"wamid.{n}", contact=BSUID) for n in range(5, 10)))
    assert len({m["conversationId"] async for m in room.store.messages.find({})}) == 2
    await room.apply(message("wamid.both"))
    found = [m async for m in room.store.messages.find({})]
    (winner,) = {m["conversationId"] for m in found}
    standing, merged = split(await room.all_of(room.store.conversations))
    assert list(standing) == [winner]
    assert list(merged.values()) == [winner]
    assert standing[winner]["inboundCount"] == len(found) == 11
    loser = await room.store.conversations.find_one({"mergedInto": winner})
    assert "aliases" not in loser


async def test_each_record_is_once_in_the_webhook_log_and_each_price_once_in_the_usage(room):
    batch = [message("wamid.1"), status("sent", pricing=PRICING), result()]
    for _ in range(3):
        await room.apply(*batch)
    await room.apply(status("delivered", pricing=PRICING), again(batch[0]))
    assert await room.store.webhook_events.count_documents({}) == 4
    usage = await room.all_of(room.store.usage_logs)
    assert sorted(entry["kind"] for entry in usage.values()) == ["pricing", "send"]


async def test_a_price_that_an_earlier_version_has_logged_is_once_in_the_usage(room):
    await room.apply(result(), status("sent", pricing=PRICING))
    await room.store.messages.update_many({}, {"$unset": {"statuses.$[].priced": ""}})
    await room.apply(status("delivered", pricing=PRICING))
    usage = await room.all_of(room.store.usage_logs)
    assert sorted(entry["kind"] for entry in usage.values()) == ["pricing", "send"]


async def test_an_empty_database_has_ordered_usage_at_once(room):
    await room.apply(result(), status("sent", pricing=PRICING), now=datetime.now(UTC))
    assert {key[14] for key in await room.all_of(room.store.usage_logs)} == {"8"}


async def test_where_an_earlier_version_may_still_write_the_ids_stay_for_a_day(room):
    await room.apply(result())
    forms = room.store.messages.database[schema.STORED_FORMS.name]
    await forms.delete_many({})
    await room.store.ensure_indexes()
    await room.apply(result(message_id="m2", wamid="wamid.OUT2"), now=datetime.now(UTC))
    form = await forms.find_one({"_id": ORDERED_USAGE})
    assert form["since"] > datetime.now(UTC) + timedelta(hours=23)
    assert derive_id("usage", "send", journal_id("bot", "m2")) in await room.all_of(room.store.usage_logs)


async def test_all_processes_write_in_the_form_that_the_first_has_found(room):
    forms = room.store.messages.database[schema.STORED_FORMS.name]
    first = await room.all_of(forms)
    await room.apply(result())
    await room.store.ensure_indexes()
    assert await room.all_of(forms) == first
    assert set(first) == {ORDERED_USAGE, DATED_LOG, COUNTED, RETENTION}


async def test_a_new_kafka_has_another_record_at_the_same_place_and_both_are_in_the_log(room):
    before, after = message("wamid.1"), message("wamid.2", received=NOW + timedelta(days=1))
    after.offset = before.offset
    await room.apply(before)
    assert len(await room.apply(after)) == 1
    await room.apply(after)  # its replay
    logged = await room.all_of(room.store.webhook_events)
    assert sorted(entry["wamid"] for entry in logged.values()) == ["wamid.1", "wamid.2"]


async def test_where_an_earlier_version_may_still_write_the_log_keeps_its_ids_for_a_day(room):
    await room.apply(message("wamid.1"))
    forms = room.store.messages.database[schema.STORED_FORMS.name]
    await forms.delete_many({})
    await room.store.ensure_indexes()
    record = message("wamid.2")
    await room.apply(record)
    assert read(record).origin in await room.all_of(room.store.webhook_events)


async def test_an_entry_of_the_usage_log_that_is_there_unexpectedly_stays(room):
    await room.apply(result(), status("sent", pricing=PRICING))
    before = await room.all_of(room.store.usage_logs)
    await room.store.messages.delete_many({})
    await room.apply(again(result()), again(status("sent", pricing=PRICING)))
    assert await room.all_of(room.store.usage_logs) == before


# Counters of usage: each entry of the log once, whatever comes again


async def sums(room):
    """What the counters say, and what the log has, by the fields that are counted apart."""
    counted, logged = Counter(), Counter()
    async for document in room.store.usage_days.find({}):
        counted[tuple(document.get(name) for name in KEYS)] += document["count"]
    async for document in room.store.usage_logs.find({}):
        logged[tuple(document.get(name) for name in KEYS)] += 1
    return counted, logged


async def test_usage_is_counted_as_it_is_logged(room):
    said = [status("sent", wamid=f"wamid.{n}", message_id=f"m{n}", pricing=PRICING) for n in range(5)]
    accepted = [result(message_id=f"m{n}", wamid=f"wamid.{n}") for n in range(5)]
    batches = [said[:2], accepted[:3], [*said[2:], again(said[0])], said, [again(one) for one in accepted], accepted]
    for batch in batches:
        await room.apply(*batch)
        counted, logged = await sums(room)
        assert counted == logged
    assert sum(counted.values()) == 10
    assert await room.store.usage_days.count_documents({}) == 2


async def test_usage_that_may_be_logged_already_is_counted_only_if_it_is_not(room):
    await room.apply(result(), status("sent", pricing=PRICING))
    await room.store.messages.delete_many({})  # what is known of the messages does not tell
    new = [
        result(message_id="m2", wamid="wamid.OUT2"),
        status("sent", wamid="wamid.OUT2", message_id="m2", pricing=PRICING),
    ]
    await room.apply(again(result()), again(status("sent", pricing=PRICING)), *new)
    counted, logged = await sums(room)
    assert counted == logged
    assert sum(counted.values()) == 4


async def test_processes_that_count_at_once_do_not_meet_in_a_counter(room):
    async def work(slot):
        for n in range(5):
            name = f"{slot}.{n}"
            await room.apply(result(message_id=name, wamid=f"wamid.{name}"), slot=slot)

    async with asyncio.timeout(30):
        await asyncio.gather(*(work(f"slot-{n}") for n in range(4)))
    counted, logged = await sums(room)
    assert counted == logged
    assert sum(counted.values()) == 20
    assert {d["writer"] for d in (await room.all_of(room.store.usage_days)).values()} == {f"slot-{n}" for n in range(4)}


async def test_a_batch_that_is_rolled_back_counts_nothing(room):
    store = ConversationStore(room.mongo)
    store.usage_days = Failing(store.usage_days, OSError("injected"))
    with pytest.raises(OSError, match="injected"):
        await room.apply(result(), store=store)
    assert await sums(room) == ({}, {})


async def test_records_of_one_offset_in_two_partitions_are_two_records(room):
    first, second = message("wamid.1"), message("wamid.1")
    first.offset = second.offset = 7
    second.partition = 1
    assert len(await room.apply(first)) == 1
    assert await room.apply(second) == []  # Meta's repetition, and no replay
    assert await room.store.webhook_events.count_documents({}) == 2


async def test_the_history_of_a_message_has_each_status_of_a_batch(room):
    await room.apply(result())
    await room.apply(*(status(word) for word in ("sent", "delivered", "read")))
    document = await room.store.messages.find_one({"wamid": "wamid.OUT1"})
    assert [entry["status"] for entry in document["statuses"]] == ["accepted", "sent", "delivered", "read"]


class Failing:
    """A collection that cannot be written; `reads` and `writes` are the sessions that it was asked under."""

    def __init__(self, collection, error=None):
        self._collection, self._error = collection, error
        self.sessions = []

    def find(self, *given, session=None):
        self.sessions.append(session)
        return self._collection.find(*given, session=session)

    async def bulk_write(self, *given, session=None, **more):
        self.sessions.append(session)
        if self._error is not None:
            raise self._error
        return await self._collection.bulk_write(*given, session=session, **more)


async def test_a_batch_that_fails_at_its_end_is_not_there_at_all(room):
    store = ConversationStore(room.mongo)
    store.usage_logs = Failing(store.usage_logs, OSError("injected"))
    with pytest.raises(OSError, match="injected"):
        await room.apply(message("wamid.1"), result(), status("sent", pricing=PRICING), store=store)
    for collection in (room.store.messages, room.store.conversations, room.store.webhook_events):
        assert await collection.count_documents({}) == 0


async def test_all_of_a_batch_is_read_and_written_in_its_transaction(room):
    store = ConversationStore(room.mongo)
    spies = {
        name: Failing(getattr(store, name)) for name in ("messages", "conversations", "webhook_events", "usage_logs")
    }
    for name, spy in spies.items():
        setattr(store, name, spy)
    await room.apply(message("wamid.1"), result(), status("sent", pricing=PRICING), store=store)
    assert {name: len(spy.sessions) for name, spy in spies.items()} == {
        "messages": 2,
        "conversations": 2,
        "webhook_events": 1,
        "usage_logs": 1,
    }
    (session,) = {session for spy in spies.values() for session in spy.sessions}
    assert session is not None


async def test_two_processes_that_meet_one_person_at_once_make_one_conversation(room):
    for turn in range(5):
        contact = Contact(user_id=f"DE.{turn}")
        both = (room.apply(message(f"wamid.{turn}.{slot}", contact=contact), slot=f"slot-{slot}") for slot in range(4))
        async with asyncio.timeout(30):
            await asyncio.gather(*both)
        (conversation,) = [c async for c in room.store.conversations.find({"aliases": f"{NUMBER}|u:DE.{turn}"})]
        assert conversation["inboundCount"] == 4


@pytest.mark.parametrize("known", [True, False])
async def test_a_result_and_a_status_that_only_knows_its_wamid_meet_at_once_and_are_one_message(room, known):
    if known:
        await room.apply(message("wamid.1"))
    other = ConversationStore(room.mongo)
    for n in range(5):
        wamid, message_id = f"wamid.OUT{n}", f"m{n}"
        await asyncio.gather(
            room.apply(result(message_id=message_id, wamid=wamid)),
            room.apply(status("sent", wamid, message_id, ours=False), store=other, slot="other"),
        )
    messages = [one for one in (await room.all_of(room.store.messages)).values() if one["direction"] == "outbound"]
    assert sorted(one["messageId"] for one in messages) == [f"m{n}" for n in range(5)]
    assert all(len(one["statuses"]) == 2 for one in messages)


async def test_its_collections_have_their_indexes_and_the_log_goes_after_its_days(room):
    for collection in (schema.CONVERSATIONS, schema.MESSAGES, schema.USAGE_LOGS):
        standing = await compare_indexes(room.mongo.database, collection)
        assert set(standing.values()) == {Standing.AS_DECLARED}
    indexes = await room.store.webhook_events.index_information()
    assert timedelta(seconds=indexes["kept"]["expireAfterSeconds"]) == timedelta(days=3)


def identities(person):
    """A phone in two notations, a BSUID, and both, which shows that they are one."""
    other, today, user_id = f"5541{80_000_000 + person}", f"55419{80_000_000 + person}", f"BR.{person}"
    both = Contact(user_id=user_id, wa_id=other)
    return [Contact(wa_id=other), Contact(wa_id=today), Contact(user_id=user_id), both]


async def at_once(room, records, processes=4, size=20):
    """The records, by several processes at the same time, each with its part in batches."""

    async def work(slot):
        own = records[slot::processes]
        for start in range(0, len(own), size):
            await room.apply(*own[start : start + size], slot=f"slot-{slot}")

    async with asyncio.timeout(60):
        await asyncio.gather(*map(work, range(processes)))
    return [c async for c in room.store.conversations.find({"mergedInto": {"$exists": False}})]


async def test_forty_people_with_three_identities_each_stay_forty_when_several_processes_meet_them_at_once(room):
    named = [contact for person in range(40) for contact in identities(person)]
    random.Random(7).shuffle(named)
    records = [message(f"wamid.{n}", contact=contact) for n, contact in enumerate(named)]
    standing = await at_once(room, records)
    assert [c["inboundCount"] for c in standing] == [4] * 40
    kept = Counter([m["conversationId"] async for m in room.store.messages.find({})])
    assert kept == dict.fromkeys((c["_id"] for c in standing), 4)


async def test_forty_owners_of_one_number_stay_forty_when_several_processes_meet_them_at_once(room):
    owners = [Contact(user_id=f"DE.{n}", wa_id=ADA.wa_id) for n in range(40)]
    records = [message(f"wamid.{n}", contact=one, at=NOW + timedelta(seconds=n)) for n, one in enumerate(owners)]
    standing = await at_once(room, records, size=3)
    assert [c["inboundCount"] for c in standing] == [1] * 40
    (last,) = [c for c in standing if f"{NUMBER}|p:{ADA.wa_id}" in c["aliases"]]
    assert f"{NUMBER}|u:DE.39" in last["aliases"]


async def test_odd_and_torn_messages_and_two_failures_are_stored_as_in_memory(room):
    odd = webhook(
        webhooks.MESSAGE, {"id": 7, "type": None, "text": {"body": 17}, "errors": {"code": "x"}}, contact=BSUID
    )
    failures = [status("failed", errors=[{"code": code}]) for code in (131026, "131047", 10**40)]
    await room.same(status("sent", wamid="wamid.SAME", ours=False), message("wamid.SAME"), odd, *failures)
    await room.same(torn(rb'{"id":"wamid.T","text":{"body":"Hi \ud83d"}}'), torn(b'{"id":"wamid.U","x":"\xff\\u0000"}'))
    kept = [document["raw"] async for document in room.store.messages.find({"wamid": {"$in": ["wamid.T", "wamid.U"]}})]
    assert sorted(kept) == [r'{"id":"wamid.T","text":{"body":"Hi \ud83d"}}', r'{"id":"wamid.U","x":"\xff\u0000"}']
