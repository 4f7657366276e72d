"""The doubt clock: what is known of the way back, asked while a send is in doubt, and only then."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from common.contracts import topics
from common.contracts.journal import State
from common.contracts.reports import REPORT, IngressReport, ReportData
from common.errors import Unavailable
from sender.delivery.doubt import clock as module
from sender.delivery.doubt.clock import DoubtClock
from sender.delivery.transitions import new_entry
from sender.settings import Settings

ZERO = datetime(2026, 11, 1, tzinfo=UTC)
STAGES = [("talk", topics.WEBHOOKS.name), ("seen", topics.MESSAGE_STATUS.name)]


class Table:
    def __init__(self, _settings, topic, _decode, on_change):
        assert topic == topics.INGRESS_REPORTS.name
        self.on_change = on_change

    async def start(self):
        pass

    async def stop(self):
        pass


class Progress:
    """Groups that have read everything, but for those that are `behind`."""

    def __init__(self, _settings):
        self.asked, self.behind, self.error, self.closed = [], set(), None, 0

    async def ends(self, topic):
        self.asked.append(topic)
        if self.error is not None:
            raise self.error
        return {topic: 1}

    async def has_read(self, group, ends):
        (topic,) = ends
        assert (group, topic) in STAGES
        await asyncio.sleep(0)
        return group not in self.behind

    async def close(self):
        self.closed += 1


class Bench:
    """A clock whose time is told: `now` seconds after ZERO."""

    def __init__(self):
        self.any_in_doubt = asyncio.Event()
        self.now = 0.0
        settings = Settings.model_construct()
        self.clock = DoubtClock(
            settings,
            conversation_group="talk",
            status_group="seen",
            any_in_doubt=self.any_in_doubt,
            window_seconds=30.0,
            now=lambda: ZERO + timedelta(seconds=self.now),
        )
        self.progress = self.clock._progress

    def steady(self, begin, end):
        for second in range(begin, end + 1, 2):
            moment = ZERO + timedelta(seconds=second)
            data = ReportData(replica="a")
            told = IngressReport(
                id="i", type=REPORT, version=1, occurred_at=moment, recorded_at=moment, correlation_id="c", data=data
            )
            self.clock.reports.on_change("a", told)

    def entry(self, **fields):
        made = new_entry("j", "bot", "m", "+49151", ZERO, "555")
        return replace(made, state=State.IN_DOUBT, doubted_at=ZERO, **fields)

    @asynccontextmanager
    async def running(self):
        await self.clock.start()
        try:
            yield self
        finally:
            await self.clock.stop()


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.setattr(module, "Table", Table)
    monkeypatch.setattr(module, "Progress", Progress)
    monkeypatch.setattr(module, "_POLL_SECONDS", 0)
    return Bench()


async def test_no_service_is_asked_while_nothing_is_in_doubt(bench):
    async with bench.running():
        await until(lambda: bench.progress.closed)
        assert bench.progress.asked == []
        bench.any_in_doubt.set()
        await until(lambda: len(bench.progress.asked) >= 4)
        bench.any_in_doubt.clear()
        await until(lambda: bench.progress.closed == 2)
        asked = len(bench.progress.asked)
        await asyncio.sleep(0.01)
        assert len(bench.progress.asked) == asked


async def test_silence_counts_up_to_the_moment_before_which_everything_has_been_read(bench):
    bench.any_in_doubt.set()
    bench.now = 40.0
    bench.steady(-40, 40)
    assert bench.clock.silence(bench.entry()) == 0
    async with bench.running():
        await until(lambda: bench.clock.silence(bench.entry()) == 40)
        assert bench.progress.asked[:2] == [topic for _, topic in STAGES]


@pytest.mark.parametrize("group", ["talk", "seen"])
async def test_it_stands_while_a_group_is_behind_and_then_counts_what_was_silence_all_the_same(bench, group):
    bench.any_in_doubt.set()
    bench.now = 10.0
    bench.steady(-40, 10)
    async with bench.running():
        await until(lambda: bench.clock.silence(bench.entry()) == 10)
        bench.progress.behind = {group}
        bench.now = 50.0
        bench.steady(12, 50)
        bench.clock._known_until = ZERO + timedelta(seconds=10)  # a look may have been under way
        await asyncio.sleep(0.02)
        assert bench.clock.silence(bench.entry()) == 10
        bench.progress.behind = set()
        await until(lambda: bench.clock.silence(bench.entry()) == 50)


async def test_it_stands_while_kafka_does_not_answer_and_says_why_once(bench, caplog):
    bench.any_in_doubt.set()
    bench.progress.error = Unavailable("Kafka is away", code="kafka_unavailable")
    bench.now = 40.0
    bench.steady(-40, 40)
    async with bench.running():
        await until(lambda: len(bench.progress.asked) > 5)
        assert bench.clock.silence(bench.entry()) == 0
        bench.progress.error = None
        await until(lambda: bench.clock.silence(bench.entry()) == 40)
    assert [record.reason for record in caplog.records if "sends in doubt wait" in record.message] == ["Kafka is away"]


async def test_a_mistake_does_not_stop_it_for_good(bench, monkeypatch, caplog):
    monkeypatch.setattr(module, "_ERROR_SECONDS", 0)
    bench.any_in_doubt.set()
    bench.progress.error = RuntimeError("a mistake")
    bench.now = 40.0
    bench.steady(-40, 40)
    async with bench.running():
        await until(lambda: "could not ask" in caplog.text)
        bench.progress.error = None
        await until(lambda: bench.clock.silence(bench.entry()) == 40)


async def test_a_doubt_of_an_earlier_version_counts_from_its_last_change(bench):
    bench.any_in_doubt.set()
    bench.now = 40.0
    bench.steady(-40, 40)
    old = replace(bench.entry(at=ZERO + timedelta(seconds=25)), doubted_at=None)
    async with bench.running():
        await until(lambda: bench.clock.silence(old) == 15)
