"""Removing old documents on a real MongoDB: what is old goes, all else stays, and no query looks at more than it removes."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from conversation_builders import ADA, message, result, status
from prometheus_client import REGISTRY
from query_plans import explain, recorded
from upkeep_room import NOW, Room

from common.contracts.accounts import AccountData, Retention
from common.mongo.indexes import Indexes
from common.mongo.turns import Turn
from conversation.store import RETENTION
from conversation.upkeep import removing
from conversation.upkeep.jobs import retention_job
from conversation.upkeep.removing import Removing
from conversation.upkeep.rules import Kept, cutoffs

pytestmark = pytest.mark.integration

KEPT = Kept(messages=10, conversations=20, usage=5)
PRICING = {"pricing_model": "PMP", "type": "regular", "category": "service"}


def days(count):
    return NOW - timedelta(days=count)


class RemovingRoom(Room):
    def __init__(self, mongodb_uri):
        super().__init__(mongodb_uri)
        self.counted = Counter()

    async def remove(self, kept=KEPT, **own):
        """A run, with the words of some accounts."""

        def of(chatbot):
            return cutoffs(kept.of(own.get(chatbot)), NOW)

        def removed(name, count):
            self.counted[name] += count

        await Removing(self.store, of, removed).run()

    async def ids(self, collection):
        return {document["_id"] async for document in collection.find({}, {"_id": 1})}


@pytest.fixture
async def room(mongodb_uri, monkeypatch):
    monkeypatch.setattr(removing, "SLICE", 3)
    monkeypatch.setattr(removing, "_SHARE", 0.9)
    async with RemovingRoom(mongodb_uri) as room:
        yield room


def stored(name, at, conversation="c1", chatbot="bot", **more):
    fields = {"conversationId": conversation} if conversation else {}
    return {"_id": name, "chatbotId": chatbot, "timestamp": at, **fields, **more}


@pytest.mark.feature("retention")
async def test_what_is_older_than_it_is_kept_goes_and_the_rest_stays(room):
    old = [stored(f"old-{n}", days(10 + n) - timedelta(seconds=1)) for n in range(10)]
    await room.store.messages.insert_many([
        *old, stored("young", days(9)), stored("alone", days(11), conversation=None),
        stored("waits", days(11), deliveryStatus="queued"), stored("empty", days(11), conversation="c2"),
    ])  # fmt: skip
    await room.store.conversations.insert_many([
        {"_id": "c1", "chatbotId": "bot", "lastMessageAt": days(21)},
        {"_id": "c2", "chatbotId": "bot", "lastMessageAt": days(21)},
        {"_id": "c3", "chatbotId": "bot", "lastMessageAt": days(19)},
        {"_id": "c4", "chatbotId": "bot", "lastMessageAt": days(30), "mergedInto": "c3"},
    ])  # fmt: skip
    usage = [{"_id": f"u{n}", "chatbotId": "bot", "at": days(n), "day": str(days(n).date())} for n in (0, 4, 6, 9)]
    await room.store.usage_logs.insert_many([*usage, {"_id": "u", "at": days(6)}])
    await room.remove()
    assert await room.ids(room.store.messages) == {"young", "waits"}
    assert await room.ids(room.store.conversations) == {"c1", "c3"}
    assert await room.ids(room.store.usage_logs) == {"u0", "u4"}
    assert room.counted == {"messages": 12, "conversations": 2, "usage_logs": 3}
    await room.remove()
    assert sum(room.counted.values()) == 17


@pytest.mark.feature("retention")
async def test_each_account_keeps_its_own_for_as_long_as_it_says(room):
    await room.store.messages.insert_many(
        stored(f"{bot}-{n}", days(n), conversation=f"c-{bot}", chatbot=bot)
        for bot in ("short", "long", "bot")
        for n in (1, 8, 50)
    )
    await room.store.conversations.insert_many(
        {"_id": f"c-{bot}", "chatbotId": bot, "lastMessageAt": days(1)} for bot in ("short", "long", "bot")
    )
    await room.store.usage_logs.insert_many({"_id": bot, "chatbotId": bot, "at": days(6)} for bot in ("short", "long"))
    own = {"short": Retention(messages_days=2), "long": Retention(messages_days=0, usage_days=0)}
    await room.remove(**own)
    assert await room.ids(room.store.messages) == {"short-1", "long-1", "long-8", "long-50", "bot-1", "bot-8"}
    assert await room.ids(room.store.usage_logs) == {"long"}


@pytest.mark.feature("retention")
@pytest.mark.parametrize("said", [NOW, days(400)], ids=["now", "a year ago"])
@pytest.mark.parametrize("seen", [False, True], ids=["before", "after the run"])
async def test_a_webhook_that_comes_again_is_recognised_for_thirty_days(room, said, seen):
    """Also where an account says less, as some stored ones may, and where the message was old when it came."""
    arrived = days(29 if seen else 31)
    assert await room.apply(message("wamid.again", at=said), now=arrived)
    await room.remove(Kept(1, 730, 180))
    kept = seen or said == NOW
    assert len(await room.ids(room.store.messages)) == int(kept)
    assert bool(await room.apply(message("wamid.again", at=said))) is not kept


async def test_for_good_means_that_nothing_goes(room):
    await room.store.messages.insert_one(stored("m", days(10_000)))
    await room.store.conversations.insert_one({"_id": "c1", "chatbotId": "bot", "lastMessageAt": days(10_000)})
    await room.remove(Kept(0, 0, 0))
    assert not room.counted


async def test_a_conversation_that_somebody_writes_to_again_stays(room):
    """Removing and writing meet: whichever is first, the message is in a conversation that is there."""
    for turn in range(10):
        await room.apply(message(f"wamid.{turn}.old", at=days(40)), now=days(40))
        await asyncio.gather(room.remove(), room.apply(message(f"wamid.{turn}.new", at=NOW)))
        (conversation,) = await room.ids(room.store.conversations)
        said = await room.store.messages.find({"timestamp": {"$gte": days(1)}}).to_list()
        assert {document["conversationId"] for document in said} == {conversation}
        await room.store.messages.delete_many({})
        await room.store.conversations.delete_many({})


async def test_a_late_status_of_a_message_that_has_gone_breaks_nothing(room):
    await room.apply(result(at=days(40)), now=days(40))
    await room.remove()
    assert not await room.ids(room.store.messages)
    await room.apply(status("read", at=NOW, pricing=PRICING))
    (document,) = await room.store.messages.find({}).to_list()
    assert document["deliveryStatus"] == "read"
    await room.apply(message("wamid.2", contact=ADA, at=NOW))


async def test_no_query_looks_at_more_than_it_removes(room):
    await room.store.messages.insert_many(stored(f"m{n}", days(n % 20), conversation=f"c{n % 7}") for n in range(700))
    await room.store.conversations.insert_many(
        {"_id": f"c{n}", "chatbotId": "bot", "lastMessageAt": days(0)} for n in range(7)
    )
    await room.store.usage_logs.insert_many({"chatbotId": "bot", "at": days(n % 20)} for n in range(700))
    with recorded() as commands:
        await room.remove()
    for database, command in commands:
        if "find" in command and command["find"] != "conversations":
            planned = await explain(room.mongo.client, database, command)
            assert not planned.stages & {"COLLSCAN", "SORT"}
            assert planned.documents <= removing.SLICE


class Accounts:
    """The accounts topic, as far as the job asks."""

    def __init__(self, loaded=True):
        self.table = self
        self.asked, self.loaded = asyncio.Event(), asyncio.Event()
        if loaded:
            self.loaded.set()

    async def wait(self):
        self.asked.set()
        await self.loaded.wait()

    def retention(self, chatbot):
        return AccountData(chatbot_id=chatbot, phone_number_id="1", status="active", revision=1).retention


async def job_of(room, accounts=None, **more):
    indexes = Indexes(room.store.ensure_indexes)
    await indexes.start()
    return indexes, retention_job(room.store, accounts or Accounts(), indexes, KEPT, **more)


async def test_on_a_database_in_use_nothing_goes_for_a_month(room):
    await room.store.messages.insert_one(stored("m", days(100)))
    await room.store.conversations.insert_one({"_id": "c1", "chatbotId": "bot", "lastMessageAt": NOW})
    forms = room.mongo.database["stored_forms"]
    await forms.delete_one({"_id": RETENTION})
    clock = [NOW]
    indexes, job = await job_of(room, now=lambda: clock[0])
    await job.turn()
    assert await room.ids(room.store.messages) == {"m"}
    assert (await room.store.removes_since()) > NOW + timedelta(days=29)
    await forms.update_one({"_id": RETENTION}, {"$set": {"since": NOW}})
    clock[0] += timedelta(hours=7)
    await job.turn()
    assert not await room.ids(room.store.messages)
    await indexes.stop()


async def test_nothing_goes_before_the_accounts_are_known(room):
    await room.store.messages.insert_one(stored("m", days(100), conversation=None))
    accounts = Accounts(loaded=False)
    indexes, job = await job_of(room, accounts, look_seconds=0.01)
    await job.start()
    async with asyncio.timeout(10):
        await accounts.asked.wait()
    assert await room.ids(room.store.messages) == {"m"}
    accounts.loaded.set()
    async with asyncio.timeout(10):
        while await room.ids(room.store.messages):
            await asyncio.sleep(0.01)
    await job.stop()
    await indexes.stop()


def age():
    return REGISTRY.get_sample_value("whatsapp_retention_age_seconds")


async def test_every_process_says_how_long_ago_the_last_run_of_any_ended(room):
    clock = [NOW]
    indexes, worker = await job_of(room, now=lambda: clock[0])
    others, watcher = await job_of(room, Accounts(loaded=False), now=lambda: clock[0])
    await watcher.start()
    clock[0] += timedelta(hours=1)
    assert age() == 3600  # since its start, because no run has ended yet
    await worker.turn()
    await watcher.turn()
    assert age() == 0
    clock[0] += timedelta(hours=2)
    await watcher.turn()
    assert age() == 7200
    await watcher.stop()
    assert age() is None
    await asyncio.gather(indexes.stop(), others.stop())


async def fail_in(turn):
    async with turn as mine:
        assert mine
        raise ValueError("failed")


async def test_one_process_at_a_time_has_its_turn_and_not_more_often_than_needed(room):
    clock = [NOW]
    turn = {"every": timedelta(hours=6), "now": lambda: clock[0]}
    async with Turn(room.store.jobs, "x", **turn) as mine:
        assert mine
        async with Turn(room.store.jobs, "x", **turn) as other:
            assert not other
    async with Turn(room.store.jobs, "x", **turn) as again:
        assert not again
    clock[0] += timedelta(hours=6)
    with pytest.raises(ValueError, match="failed"):
        await fail_in(Turn(room.store.jobs, "x", **turn))
    async with Turn(room.store.jobs, "x", **turn) as at_once:
        assert at_once


@pytest.mark.parametrize(("more", "seconds"), [({}, 300), ({"taken": timedelta(seconds=30)}, 30)])
async def test_a_process_that_died_in_its_turn_gives_it_up(room, more, seconds):
    clock = [NOW]
    turn = {"every": timedelta(hours=6), "now": lambda: clock[0], **more}
    dead = Turn(room.store.jobs, "x", **turn)
    assert await dead.__aenter__()
    dead._renewing.cancel()
    clock[0] += timedelta(seconds=seconds - 1)
    async with Turn(room.store.jobs, "x", **turn) as early:
        assert not early
    clock[0] += timedelta(seconds=2)
    async with Turn(room.store.jobs, "x", **turn) as mine:
        assert mine


async def test_a_holder_that_lives_keeps_its_turn_for_as_long_as_it_works(room):
    turn = {"every": timedelta(), "now": lambda: datetime.now(UTC), "taken": timedelta(seconds=1)}
    async with Turn(room.store.jobs, "x", **turn) as mine:
        assert mine
        first = (await room.store.jobs.find_one({"_id": "x"}))["until"]
        async with asyncio.timeout(20):
            while (await room.store.jobs.find_one({"_id": "x"}))["until"] <= first + timedelta(seconds=1):
                await asyncio.sleep(0.05)
        async with Turn(room.store.jobs, "x", **turn) as other:
            assert not other
