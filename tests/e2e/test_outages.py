"""Outages longer than all retries together: nothing is lost, no attempt is spent, readiness tells the truth, and what
has piled up drains by itself. And a start in any order, with everything else away."""

import asyncio
import os
import time

import pytest
from aiohttp import ClientSession

from testbed.client import eventually, webhook_body

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

# 2 + 4 + 8 s of retries, and some; or as long as one likes.
OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "16"))
CUSTOMERS = 6


async def ready(system, name):
    async with ClientSession() as session, session.get(f"{system.urls[name]}/health/ready") as answer:
        return answer.status == 200


async def live(system, name):
    async with ClientSession() as session, session.get(f"{system.urls[name]}/health/live") as answer:
        return answer.status == 200


async def becomes(system, name, *, wanted):
    async def so():
        return await ready(system, name) is wanted

    await eventually(f"{name} is {'ready' if wanted else 'not ready'}", so, seconds=60)


async def traffic(bot, until):
    """Customers write on, one message a second each; how many they wrote."""
    written = [0] * CUSTOMERS

    async def one(index):
        while time.monotonic() < until:
            await bot.client.says(bot.phone(index), bot.number, f"message {written[index]}", f"C{index}")
            written[index] += 1
            await asyncio.sleep(1)

    await asyncio.gather(*(one(index) for index in range(CUSTOMERS)))
    return written


async def all_answered_in_order(bot, written):
    async def done():
        received = await bot.client.received(phoneNumberId=bot.number)
        return len(received) >= sum(written) and (await bot.client.control("GET", "idle"))["idle"]

    await eventually(f"{sum(written)} replies", done, seconds=90)
    for index, count in enumerate(written):
        asked = [entry["wamid"] for entry in await bot.client.sent(phone=bot.phone(index))]
        received = await bot.client.received(phone=bot.phone(index))
        assert len(asked) == count
        assert [entry["body"]["context"]["message_id"] for entry in received] == asked
    await bot.assert_all_read_in_store()


async def through(bot, begin, end, unready):
    """Traffic before, during and after an outage; the services named `unready` say so while it lasts."""
    await bot.client.says(bot.phone(0), bot.number, "before", "C0")
    await bot.settled(1, 1)
    writing = asyncio.create_task(traffic(bot, time.monotonic() + OUTAGE_SECONDS + 3))
    await begin()
    for name in unready:
        await becomes(bot.system, name, wanted=False)
        assert await live(bot.system, name)  # restarting it would fix nothing
    await asyncio.sleep(OUTAGE_SECONDS)
    await end()
    for name in ("accounts", "ingress", "conversation", "sender"):
        await becomes(bot.system, name, wanted=True)
    written = await writing
    written[0] += 1
    await all_answered_in_order(bot, written)


async def test_kafka_away(bot, system):
    async def begin():
        await asyncio.to_thread(system.stack.kafka.kill)
        status, _ = await bot.client.deliver(webhook_body(bot.number, "wamid.DURING", "hi", bot.phone(99)))
        assert status == 503

    async def end():
        await asyncio.to_thread(system.stack.kafka.restart)

    await through(bot, begin, end, unready=("ingress", "conversation", "sender", "accounts"))


async def test_mongodb_away(bot, system):
    async def begin():
        await asyncio.to_thread(system.stack.mongo.kill)

    async def end():
        await asyncio.to_thread(system.stack.mongo.restart)

    await through(bot, begin, end, unready=("conversation", "sender", "accounts"))


async def test_accounts_away(bot, system):
    async def begin():
        await asyncio.to_thread(system.kill, "accounts")

    async def end():
        await asyncio.to_thread(system.restart, "accounts")

    await through(bot, begin, end, unready=())


async def test_meta_away(bot):
    async def begin():
        fault = {"kind": "error", "code": 131016, "status": 500}
        await bot.client.control("POST", "faults", {"rules": [{"fault": fault, "match": {"phone": bot.number}}]})

    async def end():
        await bot.client.control("DELETE", "faults")

    await through(bot, begin, end, unready=())
    stored = await asyncio.gather(
        *(bot.client.message(entry) for entry in await bot.client.received(phoneNumberId=bot.number))
    )
    assert max(message["attempts"] for message in stored) <= 3


async def test_a_start_in_any_order(bot, system):
    for name in ("sender", "conversation", "ingress", "accounts"):
        await asyncio.to_thread(system.kill, name)
    await asyncio.to_thread(system.stack.kafka.kill)
    await asyncio.to_thread(system.stack.mongo.kill)
    for name in ("sender", "ingress", "conversation", "accounts"):
        await asyncio.to_thread(system.spawn, name)

    async def up():
        return all([await live_or_not(system, name) for name in ("sender", "ingress", "conversation", "accounts")])

    await eventually("all services answer", up, seconds=30)
    for name in ("sender", "ingress", "conversation", "accounts"):
        assert not await ready(system, name)
    await asyncio.to_thread(system.stack.mongo.restart)
    await asyncio.to_thread(system.stack.kafka.restart)
    for name in ("accounts", "ingress", "conversation", "sender"):
        await becomes(system, name, wanted=True)
    await bot.converse(3, 2)
    await bot.settled(3, 2)
    await bot.assert_exactly_one_reply_each_in_order(3, 2)


async def live_or_not(system, name):
    try:
        return await live(system, name)
    except OSError:
        return False
