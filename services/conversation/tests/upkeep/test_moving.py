"""Merging large conversations on a real MongoDB: readable at every moment, complete in the end, whatever cuts it off."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from conversation_builders import ADA, NUMBER, message, result, status
from query_plans import explain, recorded
from upkeep_room import NOW, Room

from common.contracts.contacts import Contact
from common.mongo import OwnedSession
from common.mongo.indexes import Indexes
from conversation.batch import working_set
from conversation.read_api.documents import Documents
from conversation.read_api.queries import Reach, ReadQueries
from conversation.upkeep import moving
from conversation.upkeep.jobs import MERGES, merges_job
from conversation.upkeep.moving import Moving

pytestmark = pytest.mark.integration

PHONE, BSUID = Contact(wa_id=ADA.wa_id), Contact(user_id=ADA.user_id)


class MovingRoom(Room):
    def __init__(self, mongodb_uri):
        super().__init__(mongodb_uri)
        self.moving = Moving(self.mongo, self.store)

    async def said(self, contact, name, count, at=NOW):
        """Messages of one person by one of their names, a second apart."""
        await self.apply(
            *(
                message(f"wamid.{name}.{n}", text=f"{name}.{n}", contact=contact, at=at + timedelta(seconds=n))
                for n in range(count)
            )
        )

    async def merge(self):
        """Meta names both at once."""
        await self.apply(message("wamid.both", text="both", contact=ADA, at=NOW + timedelta(hours=1)))

    async def thread(self):
        """The whole thread, oldest first, by pages of three."""
        reads = ReadQueries(Documents(self.mongo.database))
        page = await reads.conversations(Reach(None), None, None, 100)
        (conversation,) = page.items
        seen, after = [], None
        while True:
            page = await reads.thread(Reach(None), conversation["_id"], after, 3)
            seen += [document["text"] for document in page.items]
            after = page.end
            if after is None:
                return seen[::-1]

    async def absorbed(self):
        return [d async for d in self.store.conversations.find({"absorbs": {"$exists": True}}, {"absorbs": 1})]


@pytest.fixture
async def room(mongodb_uri, monkeypatch):
    monkeypatch.setattr(working_set, "MOVED_AT_ONCE", 5)
    monkeypatch.setattr(moving, "SLICE", 4)
    async with MovingRoom(mongodb_uri) as room:
        yield room


WHOLE = [*(f"phone.{n}" for n in range(20)), *(f"bsuid.{n}" for n in range(10)), "both"]


async def two_large(room):
    await room.said(PHONE, "phone", 20)
    await room.said(BSUID, "bsuid", 10, at=NOW + timedelta(minutes=10))
    await room.merge()


@pytest.mark.feature("automatic conversation")
async def test_the_messages_of_a_large_conversation_follow_in_slices_and_are_shown_meanwhile(room):
    await two_large(room)
    (winner,) = await room.absorbed()
    loser = winner["absorbs"][0]
    left = await room.store.messages.count_documents({"conversationId": loser})
    assert left in (10, 20)
    assert await room.thread() == WHOLE
    assert (await ReadQueries(Documents(room.mongo.database)).conversation(Reach(None), loser))["_id"] == winner["_id"]
    while await room.moving.needed():
        await one_slice(room)
        assert await room.thread() == WHOLE
    assert await room.store.messages.distinct("conversationId") == [winner["_id"]]
    assert await room.absorbed() == []


async def one_slice(room):
    """A run that dies after its first slice."""
    (winner,) = await room.absorbed()
    async with OwnedSession(room.mongo, "upkeep/merges") as owned:
        await moving.transaction(
            owned, lambda session: room.moving._slice(winner["_id"], winner["absorbs"][0], session)
        )


async def test_a_slice_looks_at_no_more_than_it_moves(room, monkeypatch):
    await room.said(PHONE, "phone", 300)
    await room.said(BSUID, "bsuid", 10, at=NOW + timedelta(minutes=10))
    await room.merge()
    monkeypatch.setattr(moving, "SLICE", 20)
    for _ in range(5):
        with recorded() as commands:
            await one_slice(room)
        for database, command in commands:
            planned = await explain(room.mongo.client, database, command)
            assert not planned.stages & {"COLLSCAN", "SORT"}
            assert planned.keys <= 2 * moving.SLICE + 1
            assert planned.documents <= moving.SLICE
            # With another field beside the id MongoDB may choose its index, and walk through all that is left.
            assert [set(update["q"]) for update in command.get("updates", ()) if update["multi"]] in ([], [{"_id"}])
    assert (
        await room.store.messages.count_documents({"conversationId": (await room.absorbed())[0]["absorbs"][0]}) == 200
    )


async def test_a_small_conversation_moves_with_its_batch(room):
    await room.said(PHONE, "phone", 5)
    await room.said(BSUID, "bsuid", 5)
    await room.merge()
    assert await room.absorbed() == []
    assert len(await room.store.messages.distinct("conversationId")) == 1


async def test_what_comes_meanwhile_is_of_the_one_that_remains(room):
    await room.said(PHONE, "phone", 20)
    await room.apply(result(to=f"+{ADA.wa_id}"))
    await room.said(BSUID, "bsuid", 30, at=NOW + timedelta(minutes=10))
    await room.merge()
    (winner,) = await room.absorbed()
    (event,) = await room.apply(status("delivered", contact=ADA, at=NOW + timedelta(hours=2)))
    assert winner["_id"].encode() in event.value
    sent = await room.store.messages.find_one({"wamid": "wamid.OUT1"})
    assert sent["conversationId"] == winner["_id"]
    await room.apply(message("wamid.later", text="later", contact=PHONE, at=NOW + timedelta(hours=3)))
    await room.moving.run()
    assert await room.absorbed() == []
    assert await room.store.messages.distinct("conversationId") == [winner["_id"]]


async def test_one_that_absorbs_is_merged_itself_and_nothing_is_left_behind(room):
    """Both are known by other names later on: a chain of merges, with slices in between."""
    second = Contact(user_id="DE.2002", wa_id="491510000002")
    parent = Contact(user_id="DE.1001", parent_user_id=None, wa_id=second.wa_id)
    await two_large(room)
    await one_slice(room)
    await room.said(Contact(wa_id=second.wa_id), "second", 30, at=NOW + timedelta(minutes=20))
    await room.apply(message("wamid.chain", text="chain", contact=parent, at=NOW + timedelta(hours=2)))
    marked = await room.absorbed()
    assert len(marked) == 1
    async with asyncio.timeout(30):
        while await room.moving.needed():
            await room.moving.run()
    assert len(await room.store.messages.distinct("conversationId")) == 1
    assert len(await room.thread()) == len(WHOLE) + 31


async def test_one_that_absorbs_goes_on_into_another_with_all_that_has_yet_to_follow(room):
    await two_large(room)
    await one_slice(room)
    (second,) = await room.absorbed()
    await room.said(Contact(user_id="DE.9"), "older", 30, at=NOW + timedelta(minutes=20))
    await room.apply(
        message("wamid.chain", text="chain", contact=ADA, at=NOW + timedelta(hours=2), previous_user_id="DE.9")
    )
    (winner,) = await room.absorbed()
    assert winner["_id"] != second["_id"]
    assert set(winner["absorbs"]) == {second["_id"], *second["absorbs"]}
    assert len(await room.thread()) == len(WHOLE) + 31
    async with asyncio.timeout(30):
        while await room.moving.needed():
            await room.moving.run()
    assert await room.store.messages.distinct("conversationId") == [winner["_id"]]
    assert len(await room.thread()) == len(WHOLE) + 31


async def test_nothing_moves_to_one_that_was_merged_itself_meanwhile(room):
    """A mover that has read who absorbs, and was stopped before its next slice."""
    await two_large(room)
    (winner,) = await room.absorbed()
    absorbed = winner["absorbs"][0]
    third = "the-third"
    await room.store.conversations.update_one({"_id": winner["_id"]}, {"$unset": {"absorbs": ""}})
    await room.store.conversations.insert_one({"_id": third, "absorbs": [winner["_id"], absorbed]})
    before = await room.store.messages.count_documents({"conversationId": absorbed})
    async with OwnedSession(room.mongo, "upkeep/merges") as owned:
        moved = await moving.transaction(owned, lambda session: room.moving._slice(winner["_id"], absorbed, session))
    assert moved is None
    assert await room.store.messages.count_documents({"conversationId": absorbed}) == before > 0


async def test_movers_that_meet_and_messages_that_come_lose_nothing(room):
    await two_large(room)
    over = asyncio.Event()

    async def write():
        count = 0
        while not over.is_set():
            await room.apply(message(f"wamid.new.{count}", text="new", contact=ADA, at=NOW + timedelta(hours=2)))
            count += 1
        return count

    other = Moving(room.mongo, room.store)
    async with asyncio.timeout(60):
        writing = asyncio.create_task(write())
        while await room.moving.needed():
            await asyncio.gather(room.moving.run(), other.run(), return_exceptions=True)
        over.set()
        written = await writing
    assert await room.thread() == [*WHOLE, *["new"] * written]


async def test_the_job_moves_by_itself(room):
    indexes = Indexes(room.store.ensure_indexes)
    job = merges_job(room.mongo, room.store, indexes, look_seconds=0.01)
    await indexes.start()
    await job.start()
    await two_large(room)
    async with asyncio.timeout(20):
        while await room.moving.needed():
            await asyncio.sleep(0.01)
    await job.stop()
    await indexes.stop()
    assert await room.thread() == WHOLE
    assert (
        await room.store.conversations.count_documents({"phoneNumberId": NUMBER, "mergedInto": {"$exists": False}}) == 1
    )


async def test_when_a_process_dies_while_it_moves_another_goes_on_within_half_a_minute(room):
    indexes = Indexes(room.store.ensure_indexes)
    job = merges_job(room.mongo, room.store, indexes)
    await two_large(room)
    soon = datetime.now(UTC) + timedelta(seconds=31)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Moving, "run", lambda _: asyncio.Event().wait())  # it hangs, and then it is gone
        hanging = asyncio.create_task(job.turn())
        async with asyncio.timeout(10):
            while (turn := await room.store.jobs.find_one({"_id": MERGES})) is None:
                await asyncio.sleep(0.01)
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
    assert turn["until"] < soon
