import asyncio
import time

import pytest

from graph_emulator.config import Config
from graph_emulator.faults import Fault, WebhookDecision
from graph_emulator.state.ledger import Trace
from graph_emulator.webhooks.channel import Channel
from graph_emulator.webhooks.wire import Update


class Wire:
    """A channel whose POSTs go nowhere; `refuse` says how often each body is refused."""

    def __init__(self, **settings):
        self.posts = []
        self.settled = []
        self.refuse = {}
        self.in_flight = self.most_in_flight = 0
        self.channel = Channel(
            Config(**({"retry_delays_ms": (0, 5)} | settings)),
            attempt=self._attempt,
            settled=lambda update, delivered: self.settled.append((update.kind, delivered)),
            monotonic_ms=lambda: time.monotonic() * 1000,
        )

    async def _attempt(self, post):
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        names = "".join(update.kind for update in post.updates)
        self.posts.append(names)
        await asyncio.sleep(0)
        self.in_flight -= 1
        self.refuse[names] = self.refuse.get(names, 0) - 1
        return self.refuse[names] < 0

    def add(self, name, lane="lane", **decision):
        value = {"messaging_product": "whatsapp", "messages": [{"id": name}]}
        update = Update("222", "111", "messages", value, lane, (), name, Trace("inbound", name, 0))
        self.channel.add(update, WebhookDecision(**decision))

    async def drained(self):
        async with asyncio.timeout(5):
            while self.channel.pending:
                await asyncio.sleep(0.001)
        return self.posts


async def test_one_lane_keeps_its_order_over_a_refusal():
    wire = Wire()
    wire.refuse = {"a": 2}
    for name in "abc":
        wire.add(name)
    assert await wire.drained() == ["a", "a", "a", "b", "c"]
    assert wire.settled == [("a", True), ("b", True), ("c", True)]


async def test_lanes_do_not_wait_for_each_other():
    wire = Wire(retry_delays_ms=(30,))
    wire.refuse = {"a": 1}
    wire.add("a", "one")
    wire.add("b", "two")
    assert await wire.drained() == ["a", "b", "a"]


async def test_without_order_a_refused_update_is_overtaken():
    wire = Wire(ordered=False, retry_delays_ms=(30,))
    wire.refuse = {"a": 1}
    wire.add("a")
    wire.add("b")
    assert await wire.drained() == ["a", "b", "a"]


async def test_concurrency_is_bounded():
    wire = Wire(webhook_concurrency=3)
    for number in range(20):
        wire.add("x", str(number))
    await wire.drained()
    assert wire.most_in_flight == 3


async def test_given_up_when_the_span_is_over():
    wire = Wire(retry_span_ms=12, retry_delays_ms=(0, 5))
    wire.refuse = {"a": 1_000}
    wire.add("a")
    wire.add("b")
    await wire.drained()
    assert wire.settled == [("a", False), ("b", True)]
    assert 3 <= wire.posts.count("a") <= 5


async def test_waits_grow_as_configured():
    wire = Wire(retry_delays_ms=(0, 20, 40))
    wire.refuse = {"a": 3}
    began = time.monotonic()
    wire.add("a")
    await wire.drained()
    assert wire.posts == ["a"] * 4
    assert time.monotonic() - began >= 0.06


async def test_a_copy_follows_and_is_not_repeated_when_refused():
    wire = Wire()
    wire.add("a", copies=2)
    await wire.drained()
    assert wire.posts == ["a", "a", "a"]
    assert wire.settled == [("a", True)]


async def test_a_delayed_update_holds_its_lane():
    wire = Wire()
    wire.add("a", hold_ms=20)
    wire.add("b")
    wire.add("c", "other")
    assert await wire.drained() == ["c", "a", "b"]


async def test_a_reordered_update_is_overtaken_in_its_lane():
    wire = Wire()
    wire.add("a", overtaken_ms=20)
    wire.add("b")
    assert await wire.drained() == ["b", "a"]


async def test_a_batch_gathers_lanes_and_keeps_each_in_order():
    wire = Wire()
    wire.add("a", "one", batch=Fault("batch", size=10, wait_ms=10))
    wire.add("b", "two")
    await asyncio.sleep(0)
    wire.add("c", "one")
    assert await wire.drained() == ["acb"]


async def test_a_batch_is_full_at_its_size():
    wire = Wire(webhook_concurrency=1)
    for name in "abcde":
        wire.add(name, name, batch=Fault("batch", size=2, wait_ms=1))
    assert await wire.drained() == ["ab", "cd", "e"]


async def test_a_refused_batch_is_repeated_whole():
    wire = Wire(webhook_concurrency=1)
    wire.refuse = {"abc": 1}
    for name in "ab":
        wire.add(name, batch=Fault("batch", size=3, wait_ms=1))
    wire.add("c", "other")
    wire.add("d", "other")
    assert await wire.drained() == ["abc", "abc", "d"]
    assert [name for name, _ in wire.settled] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(("batch", "posts"), [(1, ["a", "b", "c", "d"]), (3, ["a", "bcd"])])
async def test_waiting_updates_share_a_post_when_settings_say_so(batch, posts):
    wire = Wire(webhook_concurrency=1, webhook_batch=batch)
    for name in "abcd":
        wire.add(name)
    assert await wire.drained() == posts


async def test_clear_forgets_everything():
    wire = Wire(retry_delays_ms=(1_000,))
    wire.refuse = {"a": 1}
    wire.add("a")
    wire.add("b")
    wire.add("c", "held", hold_ms=1_000)
    async with asyncio.timeout(5):
        while not wire.posts or wire.in_flight:
            await asyncio.sleep(0.001)
    await wire.channel.close()
    assert wire.channel.pending == 0
    wire.add("d")
    assert (await wire.drained())[1:] == ["d"]
