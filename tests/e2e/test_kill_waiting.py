"""kill -9 of the sender while sends wait: in a batch, deferred by Meta, for their recipient (whom Meta allows one in six seconds), for their time (P3, P4, P5)."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from testbed.client import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

RECIPIENTS, EACH, LATER = 30, 4, 1
WAIT = timedelta(seconds=8)


def item(bot, index, text, **more):
    return {"to": f"+{bot.phone(index)}", "message": text, "messageId": f"{index}-{text}", **more}


async def texts_to(bot, index):
    """What a recipient got of us, without the replies to their hello."""
    entries = await bot.client.received(phone=bot.phone(index))
    texts = [entry["body"]["text"]["body"] for entry in entries if entry["body"]["type"] == "text"]
    return [text for text in texts if text.split()[0] in ("batch", "later")]


async def kill_and_restart(system):
    await asyncio.to_thread(system.kill, "sender")
    await asyncio.to_thread(system.restart, "sender")


@pytest.fixture
async def known(bot):
    """A bot that all persons have written to: their windows are open."""
    for index in range(RECIPIENTS):
        await bot.client.says(bot.phone(index), bot.number, "Hello", f"C{index}")
    await bot.settled(RECIPIENTS, 1)
    return bot


async def arrived(bot):
    return [await texts_to(bot, index) for index in range(RECIPIENTS)]


async def test_waiting_sends_survive_kills_without_loss_repetition_or_disorder(known, system):
    bot = known
    # Meta finds every second call too fast: those that it refuses wait, and their conversations with them.
    throttle = {"fault": {"kind": "throttle"}, "match": {"probability": 0.5, "phone": bot.number}}
    await bot.client.control("POST", "faults", {"rules": [throttle]})
    due = datetime.now(UTC) + WAIT
    later = [
        item(bot, index, f"later {n}", sendAt=due.isoformat()) for n in range(LATER) for index in range(RECIPIENTS)
    ]
    batch = [item(bot, index, f"batch {n}") for n in range(EACH) for index in range(RECIPIENTS)]
    for name, items in (("later", later), ("batch", batch)):
        body = {"chatbotId": bot.chatbot_id, "batchId": f"{name}-{bot.base}", "messages": items}
        answer = await bot.client.api("POST", "/send/batch", body)
        assert len(answer["data"]["results"]) == len(items)

    async def some(word, least):
        return sum(text.startswith(word) for texts in await arrived(bot) for text in texts) >= least

    await eventually("the batch is under way", lambda: some("batch", 10), pause=0.02)
    await kill_and_restart(system)
    await bot.client.control("DELETE", "faults")
    await eventually("some are due", lambda: some("later", 1), seconds=90, pause=0.02)
    assert datetime.now(UTC) >= due
    await kill_and_restart(system)

    async def all_there():
        return sum(map(len, await arrived(bot))) >= RECIPIENTS * (EACH + LATER)

    await eventually("all are there", all_there, seconds=90)
    await bot.settled(RECIPIENTS, 1 + EACH + LATER)
    for texts in await arrived(bot):
        assert [text for text in texts if text.startswith("batch")] == [f"batch {n}" for n in range(EACH)]
        assert sorted(text for text in texts if text.startswith("later")) == [f"later {n}" for n in range(LATER)]
    await bot.assert_all_read_in_store()
