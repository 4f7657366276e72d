"""A flood of one tenant: the sends behind it are reached before it is stored, and nothing loses its place."""

import asyncio
import itertools
import random
import re
from collections import defaultdict
from types import SimpleNamespace

import pytest
from sender_session import AT, World, quiet, until

from sender.dispatch.model import Bounds
from sender.outcomes import Sent
from sender.waiting.parking import Parking, ParkingWriters

FEW = Bounds(lane=50, tenant=8, total=16, load=2, chunk=4, long_seconds=1_000.0)
FLOOD = 300


def flooded(*, read_ahead=1 << 20, to=7, before=None):
    """A world with a flood of tenant `b`: a campaign to seven people, and a conversation's message now and then."""
    world = World(bounds=FEW, read_ahead=read_ahead)
    gate = asyncio.Event()

    async def slow(job):
        if job.chatbot_id == "b":
            await gate.wait()
        return Sent("w")

    world.flow.answer = lambda job, _nth: slow(job)
    for n in range(FLOOD):
        category = "conversation" if n % 40 == 39 else "campaign"
        world.ask(f"f{n:03}", to=n % to, category=category)
    return world, gate


async def until_all_sent(world, end=FLOOD):
    await until(lambda: world.kafka.committed == {AT: end} and not world.parked.sends, seconds=30)


def of_flood(taken):
    """Whether it is a send of the flood. A request without a `messageId` has a UUID, which may begin likewise."""
    return re.fullmatch(r"f\d{3,}", taken.id) is not None


def by_lane(world):
    found = defaultdict(list)
    for taken in world.flow.taken:
        if of_flood(taken):
            found[taken.job.to].append(taken.id)
    return found


def assert_in_order(world):
    ids = [taken.id for taken in world.flow.taken if of_flood(taken)]
    assert sorted(ids) == [f"f{n:03}" for n in range(FLOOD)]
    assert all(lane == sorted(lane) for lane in by_lane(world).values())


async def test_a_send_behind_a_flood_goes_while_the_flood_is_not_stored_yet():
    world, gate = flooded()
    world.ask("quiet", bot="another")
    world.parked.gate.clear()
    async with world.running():
        await world.until_done("quiet")
        await quiet()
        assert (world.parked.sends, len(world.flow.ids) <= 9) == ({}, True)
        assert world.kafka.committed == {}
        gate.set()
        world.parked.gate.set()
        await until_all_sent(world, FLOOD + 1)
    assert_in_order(world)
    assert world.ahead.used == 0


async def test_a_record_is_committed_only_when_its_send_and_all_before_it_are_stored():
    world, gate = flooded()
    stored, park = [], world.parked.park

    async def slow(sends):
        answer = await park(sends)
        stored.extend(send.order for send in sends)
        await asyncio.sleep(0.005)
        return answer

    world.parker.parks._run = slow
    commit = world.kafka.commit
    unsafe = []

    async def checked(outgoing, offsets):
        first = set(range(offsets.get(AT, 0))) - set(stored)
        unsafe.extend(n for n in first if f"f{n:03}" not in world.flow.ids)
        await commit(outgoing, offsets)

    world.kafka.commit = checked
    async with world.running():
        await until(lambda: len(world.parked.sends) >= FLOOD - FEW.total)
        gate.set()
        await until_all_sent(world)
    assert not unsafe
    assert_in_order(world)


async def test_reading_pauses_when_enough_is_read_ahead():
    world, gate = flooded(read_ahead=10_000)
    for n in range(700):
        world.ask(f"more{n}", to=n % 7)
    park, answers = world.parked.park, itertools.count()

    async def first_then_none(sends):
        if next(answers):
            await gate.wait()
        return await park(sends)

    world.parker.parks._run = first_then_none
    async with world.running():
        await until(lambda: world.ahead.used >= 10_000)
        await quiet()
        assert world.kafka.at[AT] < FLOOD + 700
        gate.set()
        await until_all_sent(world, FLOOD + 700)
    assert_in_order(world)
    assert world.ahead.used == 0


async def test_without_read_ahead_a_flood_is_taken_in_as_before():
    world, gate = flooded(read_ahead=0)
    gate.set()
    async with world.running():
        await until_all_sent(world)
    assert_in_order(world)


async def test_a_session_that_ends_leaves_its_part_of_the_budget():
    world, _ = flooded()
    world.parked.gate.clear()
    running = world.start()
    await until(lambda: world.ahead.used > 10_000)
    world.limits.drain_seconds = 0.01
    await world.stop(running)
    await world.parker.close()
    assert world.ahead.used == 0
    assert world.kafka.committed == {}


async def test_a_record_without_a_chatbot_in_a_flood_becomes_a_dead_letter_and_holds_nothing_up():
    world, gate = flooded()
    gate.set()
    world.kafka.add(AT, b'{"to": "1"}')
    world.kafka.add(AT, b'{"chatbotId": "b", "to": 1}')
    async with world.running():
        await until_all_sent(world, FLOOD + 2)
    assert world.letters.noted.count(1) == 1
    assert_in_order(world)


async def test_what_was_parked_before_waits_until_the_flood_before_it_is_stored():
    before, gate = flooded()
    async with before.running():
        await until(lambda: len(before.parked.sends) >= FLOOD - FEW.total)
        gate.set()
        before.kafka.stopping.set()
    # Only the last ones had been stored when the process died; the others are read again.
    world, again = flooded()
    again.set()
    last = {send.id: send for send in before.parked.sends.values() if send.order >= FLOOD - 20}
    assert last
    world.parked.sends = dict(last)
    park = world.parked.park

    async def slow(sends):
        await asyncio.sleep(0.01)
        return await park(sends)

    world.parker.parks._run = slow
    async with world.running():
        await until_all_sent(world)
    lanes = by_lane(world)
    assert all(list(dict.fromkeys(lane)) == sorted(set(lane)) for lane in lanes.values())


class Stored:
    """In the place of lanes: keeps what it is told to be in the store."""

    def __init__(self):
        self.told = []
        self.overflow = self

    def stored(self, lane, count):
        self.told.append((lane, count))


class Slow:
    """A store whose writes of due times wait."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.error = None

    async def park(self, sends):
        return [None] * len(sends)

    async def postpone(self, sends):
        await self.gate.wait()
        if self.error:
            raise self.error
        return [None] * len(sends)

    async def remove(self, sends):
        return [None] * len(sends)


@pytest.fixture
async def parking():
    store, lanes = Slow(), Stored()
    writers = ParkingWriters(store)
    yield Parking(writers, lanes, 0), store, lanes.told
    await writers.close()


def waiting(lane):
    return SimpleNamespace(id=lane, parked="t", due=1.0, lane=lane, backlog=False)


def fresh(world, lane):
    world.ask(lane, bot="c")
    job = SimpleNamespace(position=SimpleNamespace(topic="t", offset=1), headers={}, value=b"", dated_at=None)
    return SimpleNamespace(
        id=lane, parked=None, payload=job, lane=lane, tenant="c", order=1, due=0.0, strikes=0, backlog=False,
        named=None, wait=None,
    )  # fmt: skip


async def test_sends_count_as_stored_in_the_order_in_which_they_were_given(parking):
    parking, store, told = parking
    first = asyncio.create_task(parking.park([waiting("one")]))
    await asyncio.sleep(0)
    second = asyncio.create_task(parking.park([fresh(World(), "two")]))
    await quiet()
    assert told == []
    store.gate.set()
    await asyncio.gather(first, second)
    assert told == [("one", 1), ("two", 1)]


async def test_when_sends_cannot_be_stored_those_after_them_do_not_count(parking):
    parking, store, told = parking
    first = asyncio.create_task(parking.park([waiting("one")]))
    await asyncio.sleep(0)
    second = asyncio.create_task(parking.park([fresh(World(), "two")]))
    await quiet()
    store.error = RuntimeError("bug")
    store.gate.set()
    ends = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(end) for end in ends] == [RuntimeError, asyncio.CancelledError]
    assert told == []


def after_a_crash(crashed, first, read_ahead):
    """The next owner: Kafka and the store are as they were, and it begins at what is committed."""
    world = World(bounds=FEW, read_ahead=read_ahead)
    world.kafka.logs = crashed.kafka.logs
    world.kafka.at[AT] = first
    world.parked.sends = dict(crashed.parked.sends)
    return world


@pytest.mark.parametrize("seed", range(8))
async def test_crashes_at_any_moment_lose_nothing_and_keep_each_lane_in_order(seed):
    draw = random.Random(seed)
    world = World(bounds=FEW, read_ahead=draw.choice((0, 20_000, 1 << 20)))
    wanted = defaultdict(list)
    for n in range(400):
        bot = draw.choice(("b", "b", "b", "c", "another"))
        to = draw.randrange(12)  # so few to each that Meta's limit per person is far
        category = draw.choice(("campaign", "campaign", "conversation"))
        world.ask(f"{n:03}", bot=bot, to=to, category=category)
        wanted[bot, f"+49151000000{to:02}"].append(f"{n:03}")
    taken, first = defaultdict(list), 0
    for crash in range(4):
        park = world.parked.park

        async def slow(sends, park=park):
            await asyncio.sleep(draw.random() / 100)
            return await park(sends)

        async def answer(job):
            taken[job.chatbot_id, job.to].append(job.message_id)
            await asyncio.sleep(draw.random() / 50)
            return Sent("w")

        world.parker.parks._run = slow
        world.flow.answer = lambda job, _nth: answer(job)
        running = world.start()
        if crash < 3:
            await asyncio.sleep(draw.random() / 2)
            running.cancel()
            await asyncio.wait([running])
            await world.parker.close()
            first = world.kafka.committed.get(AT, first)
            world = after_a_crash(world, first, draw.choice((0, 20_000, 1 << 20)))
    await until(lambda: world.worker.sessions)  # it may have nothing left to do
    await until(lambda: not world.parked.sends and world.kafka.committed.get(AT, first) == 400, seconds=60)
    await until(lambda: not world.session.lanes.memory.size)
    await world.stop(running)
    await world.parker.close()
    for lane, ids in wanted.items():
        assert list(dict.fromkeys(taken[lane])) == ids
