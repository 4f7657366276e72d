"""What a take-over reads of a large journal, and what it learns, when SENDER_JOURNAL_DAYS has changed since."""

import uuid
from datetime import timedelta

import pytest
from query_plans import explain, recorded

from common.mongo.client import Mongo, MongoSettings
from sender.clock import utc_now
from sender.journal.store import JournalStore
from sender.limits.numbers import RateLimits, RecentSends
from sender.limits.rates import PAIR_BURST, PAIR_SECONDS
from sender.records.job import lane_of

pytestmark = pytest.mark.integration

ENTRIES, DAYS = 12_000, 20
LATELY = PAIR_BURST
MEMORY = timedelta(seconds=PAIR_BURST * PAIR_SECONDS)
EAGER = "+4915100000000"


def ended(number, at, to, kept):
    return {
        "_id": f"j{number}", "state": "accepted", "token": "t", "owner": "o", "attempt": 1, "createdAt": at, "at": at,
        "expireAt": at + timedelta(days=kept), "chatbotId": "b", "messageId": f"m{number}", "to": to, "wamid": "w",
    }  # fmt: skip


@pytest.fixture
async def database(mongodb_uri):
    mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"take_over_{uuid.uuid4().hex[:12]}"))
    yield mongo.database
    await mongo.client.drop_database(mongo.database.name)
    await mongo.close()


@pytest.mark.parametrize(("before", "after"), [(30, 30), (30, 8), (8, 30), (90, 8), (8, 90)])
async def test_a_take_over_reads_what_was_sent_lately_and_knows_the_pace_whatever_the_days(database, before, after):
    now = utc_now()
    # None is so old that it may go while the test runs: MongoDB removes ends once a minute.
    age = timedelta(days=min(DAYS, before, after) - 1)
    old = [
        ended(number, now - MEMORY - timedelta(minutes=1) - age * number / ENTRIES, f"+49151{number:08}", before)
        for number in range(ENTRIES)
    ]
    # One person has got as many as may come at once.
    late = [ended(f"late-{number}", now - timedelta(seconds=1), EAGER, before) for number in range(LATELY)]
    under_way = [{**ended(f"now-{number}", now, EAGER, 0), "state": "claimed"} for number in range(10)]
    for one in under_way:
        del one["expireAt"], one["wamid"]
    first = JournalStore(database, retention=timedelta(days=before))
    await first.ensure_indexes()
    await database["send_journal"].insert_many([*old, *late, *under_way])

    store = JournalStore(database, retention=timedelta(days=after))
    await store.ensure_indexes()
    with recorded() as commands:
        recent = await RecentSends(store).read()
    plans = [await explain(database.client, *command) for command in commands]
    assert [plan.documents for plan in plans] == [LATELY]
    assert all("COLLSCAN" not in plan.stages for plan in plans)

    assert [(one.to, len(one.times)) for one in recent] == [(EAGER, LATELY)]
    rates = RateLimits(lambda _: "", {"free": 1.0}, rate=80.0, max_running=10)
    moment = now.timestamp()
    rates.learn(recent, moment)
    assert rates.pair_ready_at(lane_of("b", EAGER), moment, campaign=True) > moment
    assert rates.pair_ready_at(lane_of("b", "+4915199999999"), moment, campaign=True) <= moment
    assert await database["send_journal"].count_documents({}) == ENTRIES + LATELY + 10
