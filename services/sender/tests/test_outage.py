"""Outages of Meta's spend no attempts; dead letters can be replayed, and never sent twice by it."""

import json

import pytest

from common.contracts import ids, sends, topics
from common.kafka.records import Outgoing

pytestmark = pytest.mark.integration

QUICK = {"graph_total_seconds": 0.5, "sender_in_doubt_seconds": 5.6}


def number(index):
    return f"+4915100000{index:03}"


async def replay(world, chatbot, message_id, to, text, *, count=1):
    body = {"chatbotId": chatbot, "to": to, "message": text, "messageId": message_id}
    headers = [("replay", str(count).encode()), ("message-id", message_id.encode())]
    await world.publisher.publish([Outgoing(topics.SEND.name, chatbot, json.dumps(body).encode(), headers)])


async def test_an_outage_that_meta_admits_spends_no_attempts(world, eventually):
    chatbot = await world.account()
    away = [True]
    world.graph.answer = lambda _body, _nth: (131016, 500) if away else None
    async with world.running() as sender:
        # One probe in ten seconds would spend few attempts anyway. With these, each send is tried as soon as it may be.
        sender.breaker._base = sender.breaker._cap = 0.05
        await world.send(chatbot, *[(number(n), f"t{n}", f"m{n}") for n in range(6)])

        # By then four attempts, after 2, 4 and 8 s, would have been spent.
        async def probed_for_long():
            times = [at for _, _, at in world.graph.calls]
            return times and times[-1] - times[0] > 15

        await eventually(probed_for_long, 40)
        assert sender.breaker.open
        away.clear()
        results = await world.until_results(chatbot, 6, seconds=30)
    assert {r.type for r in results} == {sends.ACCEPTED}
    # It takes three failures to see an outage, so two of them count.
    assert max(r.data.attempts for r in results) <= 3
    assert sum(r.data.attempts for r in results) <= 6 + 2
    assert await world.letters(chatbot) == []


async def test_a_dead_letter_is_replayed_once(world, eventually):
    chatbot = "later-" + ids.derive_id("x", str(id(world)))[:8]
    async with world.running():
        await world.send(chatbot, (number(1), "early", "m1"))
        await world.until_results(chatbot, 1, sends.FAILED)
        await world.account(chatbot=chatbot)
        await replay(world, chatbot, "m1", number(1), "early")
        await replay(world, chatbot, "m1", number(1), "early")
        await world.send(chatbot, (number(1), "after", "m2"))
        await world.until_results(chatbot, 2, sends.ACCEPTED)
        # The same replay once more, and one that skips a number: nothing is owed to them.
        await replay(world, chatbot, "m1", number(1), "early")
        await replay(world, chatbot, "m1", number(1), "early", count=7)
        await world.send(chatbot, (number(1), "end", "m3"))
        await world.until_results(chatbot, 3, sends.ACCEPTED)
    assert world.graph.texts() == ["early", "after", "end"]


async def test_a_send_that_may_have_reached_its_recipient_is_not_replayed(world):
    chatbot = await world.account()
    world.graph.answer = lambda body, _: "lose" if body["text"]["body"] == "lost" else None
    async with world.running(**QUICK, sender_in_doubt_policy="fail"):
        await world.send(chatbot, (number(1), "lost", "m1"))
        await world.until_results(chatbot, 1, sends.FAILED)
        await replay(world, chatbot, "m1", number(1), "lost")
        await world.send(chatbot, (number(1), "end", "m2"))
        await world.until_results(chatbot, 1, sends.ACCEPTED)
    assert world.graph.texts() == ["lost", "end"]


async def test_a_flood_of_dead_letters_halts_the_consumer(world, eventually):
    chatbot = await world.account()
    garbage = f"no json, {chatbot}".encode()
    async with world.running(dlq_limit=5) as sender:
        await world.publisher.publish([Outgoing(topics.SEND.name, chatbot, garbage) for _ in range(50)])

        async def halted():
            return sender.letters.halted and not sender.group.ready

        await eventually(halted)
        await world.send(chatbot, (number(1), "behind them", "m1"))
    assert world.graph.texts() == []
    assert len(await letters_saying(world, garbage)) <= 5
    # A mended release goes on from there.
    async with world.running(dlq_limit=0):
        await world.until_results(chatbot, 1)
    assert len(await letters_saying(world, garbage)) == 50


async def letters_saying(world, value):
    return [letter for _, letter in await world.read(topics.SEND_DLQ) if letter == value]
