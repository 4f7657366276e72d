"""Whom a read asks, and whose answer counts. With real members that stand still: `test_failover.py`."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from common.errors import Forbidden, Unavailable
from common.mongo.failover import waited_reads
from common.mongo.failover.waited_reads import WaitedReads

PRIMARY, COPY = "the primary's", "a copy"
AS_OF = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


class Room:
    """Reads whose primary and secondaries answer as the test says: a text, an error, or None for never."""

    def __init__(self, *, primary, copies=(), lost=0.0, pings=True, stale=60, seconds=10.0):
        self.asked, self.ended, self.pinged = [], [], 0
        self._primary, self._copies, self._pings = primary, list(copies), pings
        mongo = SimpleNamespace(primary=SimpleNamespace(lost_for=lambda: lost), database=PRIMARY, answers=self.ping)
        now = AS_OF + timedelta(seconds=30)
        self.reads = WaitedReads(mongo, stale=timedelta(seconds=stale), seconds=seconds, now=lambda: now)
        self.reads._copied = self.copied

    async def ping(self, _seconds):
        self.pinged += 1
        return self._pings

    async def copied(self, ask):
        return await ask(COPY), AS_OF

    async def ask(self, source):
        self.asked.append(source)
        answer = self._primary if source == PRIMARY else self._copies.pop(0)
        try:
            if answer is None:
                await asyncio.get_running_loop().create_future()
            if isinstance(answer, asyncio.Event):
                await answer.wait()
                return "late"
        except asyncio.CancelledError:
            self.ended.append(source)
            raise
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def read(self):
        async with asyncio.timeout(10):
            found = await self.reads.read(self.ask)
        await asyncio.sleep(0)
        return found


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(waited_reads, "PATIENCE_SECONDS", 0.01)


AWAY = Unavailable("away")


async def test_a_primary_that_answers_is_the_only_one_asked():
    room = Room(primary="now")
    assert await room.read() == ("now", None)
    assert (room.asked, room.pinged) == ([PRIMARY], 0)


async def test_a_primary_that_is_slow_and_answers_a_ping_is_waited_for():
    room = Room(primary=(done := asyncio.Event()), copies=["old"])
    reading = asyncio.create_task(room.read())
    while not room.pinged:
        await asyncio.sleep(0)
    done.set()
    assert await reading == ("late", None)
    assert room.asked == [PRIMARY]


async def test_all_who_wait_ping_once():
    room = Room(primary=(done := asyncio.Event()))
    answered, waiting, pinged = asyncio.Event(), 0, room.reads._pinged

    async def ping(_seconds):
        room.pinged += 1
        await answered.wait()
        return True

    async def counted():
        nonlocal waiting
        waiting += 1
        return await pinged()

    room.reads._mongo.answers, room.reads._pinged = ping, counted
    reading = [asyncio.create_task(room.read()) for _ in range(20)]
    while waiting < 20 or not room.pinged:
        await asyncio.sleep(0)
    answered.set()
    done.set()
    assert await asyncio.gather(*reading) == [("late", None)] * 20
    assert room.pinged == 1


async def test_a_secondary_is_asked_when_the_primary_answers_nothing_and_the_loser_is_ended():
    room = Room(primary=None, copies=["old"], pings=False)
    assert await room.read() == ("old", AS_OF)
    assert (room.asked, room.ended) == ([PRIMARY, COPY], [PRIMARY])


async def test_without_a_primary_a_secondary_is_asked_at_once():
    room = Room(primary=None, copies=["old"], lost=1.0)
    assert await room.read() == ("old", AS_OF)
    assert room.pinged == 0


async def test_a_primary_that_answers_first_wins_all_the_same():
    room = Room(primary=(done := asyncio.Event()), copies=[None, None, None], pings=False)
    reading = asyncio.create_task(room.read())
    while COPY not in room.asked:
        await asyncio.sleep(0)
    done.set()
    assert await reading == ("late", None)
    assert room.ended.count(COPY) == room.asked.count(COPY)


async def test_another_secondary_is_asked_when_the_first_stands_still():
    room = Room(primary=None, copies=[None, "old"], lost=1.0)
    assert await room.read() == ("old", AS_OF)


async def test_a_secondary_is_asked_when_the_primary_has_failed():
    room = Room(primary=AWAY, copies=["old"])
    assert await room.read() == ("old", AS_OF)


async def test_what_the_primary_refuses_is_refused():
    room = Room(primary=Forbidden("no"), copies=["old"])
    with pytest.raises(Forbidden):
        await room.read()
    assert room.asked == [PRIMARY]


async def test_when_nobody_answers_it_is_said_so():
    room = Room(primary=AWAY, copies=[AWAY, AWAY, AWAY])
    with pytest.raises(Unavailable):
        await room.read()


@pytest.mark.parametrize(("stale", "shown"), [(29, False), (30, True)])
async def test_an_answer_is_at_most_as_old_as_is_allowed(stale, shown):
    room = Room(primary=AWAY, copies=["old"] * 3, stale=stale)
    if shown:
        assert await room.read() == ("old", AS_OF)
    else:
        with pytest.raises(Unavailable):
            await room.read()


async def test_switched_off_no_secondary_is_asked():
    room = Room(primary=AWAY, copies=["old"], lost=1.0, stale=0)
    with pytest.raises(Unavailable):
        await room.read()
    assert COPY not in room.asked


async def test_who_waits_for_a_turn_to_ask_a_secondary_has_no_more_time_for_it():
    room = Room(primary=None, copies=[None] * 100, lost=1.0, seconds=0.01)
    others = [asyncio.create_task(room.reads._of_secondary(room.ask)) for _ in range(16)]
    while len(room.asked) < 16:
        await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await room.read()
    assert room.asked == [COPY] * 16 + [PRIMARY]
    for other in others:
        other.cancel()


async def test_a_caller_who_leaves_ends_what_was_asked_for_it():
    room = Room(primary=None, copies=[None] * 3, lost=1.0)
    reading = asyncio.create_task(room.read())
    while COPY not in room.asked:
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    async with asyncio.timeout(10):
        while not {PRIMARY, COPY} <= set(room.ended):
            await asyncio.sleep(0)
