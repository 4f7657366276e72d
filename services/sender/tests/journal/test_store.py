"""The journal on real MongoDB: one winner for every change."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from query_plans import explain, recorded

from common.contracts.contacts import Contact
from common.contracts.journal import State
from common.contracts.messages import MetaError, StatusData
from common.errors import Unavailable
from common.mongo.client import Mongo, MongoSettings
from sender.clock import to_millis, utc_now
from sender.delivery.transitions import claim, fail_later, new_entry, record
from sender.group_commit import GroupCommit
from sender.journal.opt_outs import OptOutStore
from sender.journal.store import JournalStore
from sender.outcomes import Dead, Defer, InDoubt, Retry, Sent
from sender.records.job import lane_of

pytestmark = pytest.mark.integration


@pytest.fixture
async def store(mongodb_uri):
    mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"sender_test_{uuid.uuid4().hex[:12]}"))
    store = JournalStore(mongo.database, retention=timedelta(days=30))
    await store.ensure_indexes()
    yield store
    await mongo.client.drop_database(mongo.database.name)
    await mongo.close()


def fresh(send="j"):
    return new_entry(send, "b", "m", "+49", utc_now(), "15")


def claiming(entry, send="j", attempt=1, owner="me"):
    return claim(entry, fresh(send), attempt, phone_number_id="15", owner=owner, token=uuid.uuid4().hex, now=utc_now())


def recording(entry, outcome, owner="me"):
    return record(entry, fresh(entry.id), outcome, owner=owner, token=uuid.uuid4().hex, now=utc_now())


async def move(store, *moves):
    return await store.write(moves)


async def test_of_many_claims_one_wins(store):
    moves = [claiming(None, owner=f"o{n}") for n in range(20)]
    standings = [(await standing)[0] for standing in asyncio.as_completed([store.write([m]) for m in moves])]
    assert len({standing.token for standing in standings}) == 1
    assert sum(standings[0].token == m.won for m in moves) == 1


async def test_a_batch_tells_each_what_stands(store):
    (first,) = await move(store, claiming(None, "a"))
    retrying = recording(first, Retry(utc_now(), MetaError(code=1), 1))
    (waiting,) = await move(store, retrying)
    stale, next_claim = recording(first, Sent("w")), claiming(waiting, "a", 2)
    new = claiming(None, "b")
    standings = await move(store, stale, new, claiming(None, "a"), next_claim)
    assert standings[1].token == new.won
    assert {standings[n].token for n in (0, 2, 3)} == {next_claim.won}
    assert standings[0].attempt == 2


async def test_a_change_is_harmless_to_repeat(store):
    wish = claiming(None)
    assert (await move(store, wish))[0].token == wish.won
    assert (await move(store, wish))[0].token == wish.won
    settled = recording(wish.entry, Sent("w", Contact(wa_id="49")))
    for _ in range(2):
        (standing,) = await move(store, settled)
        assert standing == settled.entry


async def test_an_owner_that_was_overtaken_cannot_write(store):
    (mine,) = await move(store, claiming(None, owner="zombie"))
    (taken,) = await move(store, recording(mine, InDoubt(utc_now()), owner="next"))
    (again,) = await move(store, claiming(taken, attempt=2, owner="next"))
    (standing,) = await move(store, recording(mine, Retry(utc_now(), MetaError(), 1), owner="zombie"))
    assert standing == again
    assert (standing.state, standing.owner, standing.attempt) == (State.CLAIMED, "next", 2)


async def test_every_field_is_read_back(store):
    now = utc_now()
    entry = replace(
        fresh(), state=State.FAILED, token="t", due=now, first_failed_at=now, wamid="w", letter=True, attempt=3,
        contact=Contact(user_id="DE.1", name="x"), error=MetaError(code=1, reason="r", details="d"),
        failure=MetaError(code=131047), failed_at=now,
        template="messages template offer en",
    )  # fmt: skip
    wish = replace(claiming(None), entry=entry)
    await move(store, wish)
    assert await store.load(["j", "absent"]) == [entry, None]


async def test_what_has_ended_is_kept_for_its_time(store):
    (claimed,) = await move(store, claiming(None))
    document = await store._collection.find_one({"_id": "j"})
    assert "expireAt" not in document
    (sent,) = await move(store, recording(claimed, Sent("w")))
    document = await store._collection.find_one({"_id": "j"})
    assert document["expireAt"] == sent.at + timedelta(days=30)
    indexes = await store._collection.index_information()
    assert indexes["ended_at"]["expireAfterSeconds"] == 30 * 86_400


@pytest.mark.parametrize("days", [8, 30, 90])
async def test_a_take_over_reads_the_sends_of_late_whatever_the_days_were_before(store, days):
    """Entries keep the `expireAt` that the days of their time gave them."""
    now = utc_now()
    ended = [
        {"_id": f"{kept}-{hours}", "state": "accepted", "token": "t", "owner": "o", "attempt": 1, "createdAt": now,
         "at": now - timedelta(hours=hours), "expireAt": now - timedelta(hours=hours) + timedelta(days=kept),
         "chatbotId": "b", "messageId": "m", "to": f"{kept}-{hours}", "wamid": "w"}
        for kept in (8, 30, 90) for hours in range(1, 100)
    ]  # fmt: skip
    await store._collection.insert_many(ended)
    later = JournalStore(store._database, retention=timedelta(days=days))
    await later.ensure_indexes()
    with recorded() as commands:
        found = await later.sent_since(now - timedelta(hours=3, minutes=30))
    assert {recent.to for recent in found} == {f"{kept}-{hours}" for kept in (8, 30, 90) for hours in (1, 2, 3)}
    (plan,) = [await explain(store._database.client, *command) for command in commands]
    assert plan.documents == 9
    indexes = await store._collection.index_information()
    assert indexes["ended_at"]["expireAfterSeconds"] == days * 86_400


async def test_the_index_of_an_earlier_version_makes_room(store):
    await store._collection.drop_index("ended_at")
    await store._collection.create_index([("expireAt", 1)], name="expireAt_1", expireAfterSeconds=0)
    await store.ensure_indexes()
    indexes = await store._collection.index_information()
    assert "expireAt_1" not in indexes
    assert indexes["ended_at"]["partialFilterExpression"] == {"expireAt": {"$exists": True}}


async def test_open_and_ended_are_told_apart(store):
    claimed = await move(store, *[claiming(None, send) for send in "abcd"])
    await move(
        store,
        recording(claimed[0], Sent("w")),
        recording(claimed[1], InDoubt(utc_now())),
        recording(claimed[2], Defer(utc_now())),
    )
    assert await store.ended_among([*"abcde"]) == ["a"]
    assert {entry.id for entry in await store.unsettled_among([*"abcde"])} == {"b", "c", "d"}


async def test_what_a_failure_is_reported_of_is_looked_up_in_any_state(store):
    claimed = await move(store, *[claiming(None, send) for send in "ab"])
    sent = await move(store, *[recording(entry, Sent("w")) for entry in claimed])
    assert await store.unsettled_among([*"ab"]) == []
    assert await store.unsettled_among([*"ab"], ["b"]) == [sent[1]]
    failed = fail_later(sent[1], "w", MetaError(code=131047), token="t", failed_at=utc_now())
    await move(store, failed)
    assert await store.unsettled_among([*"ab"]) == [failed.entry]  # until it is known to be delivered


async def test_hundreds_of_claims_are_few_writes(store):
    batches = []

    async def counted(moves):
        batches.append(len(moves))
        return await store.write(moves)

    group = GroupCommit(counted)
    moves = [claiming(None, f"s{n}") for n in range(300)]
    standings = await asyncio.gather(*map(group.submit, moves))
    assert [s.token for s in standings] == [m.won for m in moves]
    assert sum(batches) == 300
    assert len(batches) <= 3


async def test_an_absent_database_is_unavailable(mongodb_uri):
    mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri))
    store = JournalStore(mongo.database, retention=timedelta(days=30))
    await mongo.close()
    for use in (store.ensure_indexes(), store.load(["j"]), store.unsettled_among(["j"]), store.write([claiming(None)])):
        with pytest.raises(Unavailable):
            await use


def test_times_are_kept_to_the_millisecond():
    moment = datetime(2026, 11, 22, 12, 0, 0, 123_999, tzinfo=UTC)
    assert to_millis(int(moment.timestamp()) * 10**9 + 123_999_000).microsecond == 123_000


OFFER = "messages template offer en"
OPTED_OUT = MetaError(code=131050)


def templates(*sends, to="+4915100000001"):
    return [replace(wish, entry=replace(wish.entry, template=OFFER, to=to)) for wish in map(claiming_of, sends)]


def claiming_of(send):
    return claiming(None, send)


def refused(send, **more):
    fields = {"status": "failed", "delivery_status": "failed", "journal_id": send, "phone_number_id": "15", **more}
    return StatusData(error=OPTED_OUT, **fields)


async def test_an_opt_out_is_kept_with_the_send_that_was_refused_for_it(store):
    opt_outs, lane, now = OptOutStore(store._database), lane_of("b", "+4915100000001"), utc_now()
    answered, told, *_ = await move(store, *templates("answered", "told"), claiming(None, "a text"))
    await move(store, recording(told, Sent("w")))
    assert await opt_outs.of([lane]) == [None]
    for status in (refused("told", phone_number_id="16"), refused("told", chatbot_id="another"), refused("a text")):
        await opt_outs.note(status, now)
    assert await opt_outs.of([lane]) == [None]
    for at in (now, now + timedelta(days=1)):  # a status that comes twice prolongs nothing
        await opt_outs.note(refused("told", chatbot_id="b"), at)
        assert await opt_outs.of([lane, "b|p:49"]) == [now, None]
    assert await opt_outs.marketing(now - timedelta(days=7)) == [("b", OFFER)]
    assert await opt_outs.marketing(now) == []
    (failed,) = await move(store, recording(answered, Dead(OPTED_OUT)))
    assert await opt_outs.of([lane]) == [max(now, failed.at)]
    assert (await store.load(["answered"]))[0] == failed


async def test_an_erased_person_has_no_opt_out(store):
    opt_outs, lane, now = OptOutStore(store._database), lane_of("b", "+4915100000001"), utc_now()
    await move(store, *templates("told"))
    await store._collection.update_one({"_id": "told"}, {"$set": {"erasedAt": now}})
    await opt_outs.note(refused("told"), now)
    assert await opt_outs.of([lane]) == [None]


async def test_opt_outs_are_found_by_their_own_index(store):
    for query in ({"optedOut": {"$in": ["b|p:49"]}}, {"optedOut": {"$exists": True}, "optedOutAt": {"$gt": utc_now()}}):
        plan = await store._collection.find(query).explain()
        assert "opted_out" in str(plan["queryPlanner"]["winningPlan"])


async def test_a_failure_that_is_reported_later_keeps_the_opt_out_that_it_says(store):
    opt_outs = OptOutStore(store._database)
    wish = claiming(None)
    claimed = replace(wish.entry, template="messages template offer en")
    await move(store, replace(wish, entry=claimed))
    (entry,) = await move(store, recording(claimed, Sent("w")))
    later = fail_later(entry, "w", MetaError(code=131050), token="t", failed_at=utc_now())
    await move(store, later)
    (since,) = await opt_outs.of([lane_of(entry.chatbot_id, entry.to)])
    assert since == later.entry.failed_at
