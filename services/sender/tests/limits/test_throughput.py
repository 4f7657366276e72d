"""Learning what Meta allows a number."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from common.contracts import number_events
from common.errors import Unavailable
from common.meta.numbers import COEXISTENCE_RATE, NumberFacts
from sender.limits.numbers import RateLimits
from sender.limits.throughput import Throughput

BOT, PHONE = "bot", "1065"


class FakeMeta:
    def __init__(self):
        self.asked, self.answer, self.closed = [], NumberFacts(), False

    async def ask(self, phone_number_id, token):
        self.asked.append((phone_number_id, token))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def close(self):
        self.closed = True


class FakeStore:
    def __init__(self):
        self.kept = {}

    async def put(self, chatbot_id, phone_number_id, facts, rate, at):
        self.kept[phone_number_id] = (chatbot_id, facts, rate, at)


class World:
    def __init__(self):
        self.meta, self.store, self.clock = FakeMeta(), FakeStore(), 1_000.0
        self.paces = RateLimits(lambda _: "standard", {"standard": 1.0}, rate=COEXISTENCE_RATE, max_running=10)
        self.accounts = {BOT: SimpleNamespace(revision=1), "other": SimpleNamespace(revision=1)}
        self.throughput = Throughput(
            self.paces, self.accounts, self, self.meta, self.store, default=80, now=lambda: self.clock
        )

    async def get(self, chatbot_id, *, revision):
        assert revision == 1
        phone = PHONE if chatbot_id == BOT else "2000"
        return SimpleNamespace(phone_number_id=phone, token=SecretStr("EAAfake"))

    async def asked(self, count):
        async with asyncio.timeout(5):
            while len(self.meta.asked) < count:
                await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(self.meta.asked) == count

    def news(self, kind, at=None, **data):
        moment = datetime.fromtimestamp(self.clock if at is None else at, UTC)
        return number_events.NumberNews(
            id="n",
            type=kind,
            version=1,
            occurred_at=moment,
            recorded_at=moment,
            correlation_id="c",
            data=number_events.NumberData(**data),
        )


@pytest.fixture
async def world():
    world = World()
    await world.throughput.start()
    yield world
    await world.throughput.stop()
    assert world.meta.closed


async def test_a_number_is_slow_until_meta_has_answered(world):
    assert world.paces.number(BOT).rate == COEXISTENCE_RATE
    await world.asked(1)
    assert world.meta.asked == [(PHONE, "EAAfake")]
    assert world.paces.number(BOT).rate == 80
    chatbot, _, rate, at = world.store.kept[PHONE]
    assert (chatbot, rate, at.timestamp()) == (BOT, 80, world.clock)


@pytest.mark.parametrize(
    ("answer", "rate"), [(NumberFacts(level="HIGH"), 1_000), (NumberFacts(on_business_app=True), 20), (None, 80)]
)
async def test_what_meta_tells_is_the_limit(world, answer, rate):
    world.meta.answer = answer
    world.paces.number(BOT)
    await world.asked(1)
    assert world.paces.number(BOT).limit == rate


async def test_meta_is_asked_once_and_again_after_an_hour(world):
    for _ in range(5):
        world.paces.number(BOT)
    await world.asked(1)
    world.clock += 3_601
    world.paces.number("other")  # wakes it
    await world.asked(3)


async def test_a_number_that_meta_does_not_speak_of_is_not_slow_for_ever(world):
    world.meta.answer = Unavailable("away", code="meta_unavailable")
    world.paces.number(BOT)
    for tries in (1, 2, 3):
        await world.asked(tries)
        assert world.paces.number(BOT).limit == (80 if tries == 3 else COEXISTENCE_RATE)
        world.clock += 30
        world.throughput.ask("unknown")  # wakes it


async def test_an_upgrade_is_asked_about_at_once(world):
    world.meta.answer = NumberFacts(display_phone_number="+49 151-1")
    world.paces.number(BOT)
    await world.asked(1)
    world.meta.answer = NumberFacts(display_phone_number="+49 160-2")
    world.paces.number("other")
    await world.asked(2)
    world.meta.answer = NumberFacts(display_phone_number="+49 151-1", level="HIGH")
    world.throughput.heard(world.news(number_events.CHANGED, display_phone_number="491511"))
    await world.asked(3)
    assert (world.paces.number(BOT).limit, world.paces.number("other").limit) == (1_000, 80)
    world.throughput.heard(world.news(number_events.CHANGED, account_id="2000"))  # names no number: all are asked about
    await world.asked(5)


async def test_an_account_that_has_changed_is_asked_about_if_it_is_used(world):
    world.throughput.account_changed(BOT)
    world.paces.number("other")
    await world.asked(1)
    world.throughput.account_changed("other")
    await world.asked(2)


async def test_what_comes_in_counts_for_a_second(world):
    world.meta.answer = NumberFacts(on_business_app=True)
    pace = world.paces.number(BOT)
    await world.asked(1)
    now = world.clock
    world.throughput.heard(world.news(number_events.TRAFFIC, at=now - 10, phone_number_id=PHONE, inbound=500))
    world.throughput.heard(world.news(number_events.TRAFFIC, phone_number_id="unknown", inbound=500))
    assert pace.ready_at(now) == now
    world.throughput.heard(world.news(number_events.TRAFFIC, phone_number_id=PHONE, inbound=19))
    assert pace.ready_at(now) == now
    world.throughput.heard(world.news(number_events.TRAFFIC, phone_number_id=PHONE, inbound=1))
    assert now + 1.0 <= pace.ready_at(now) < now + 1.1
