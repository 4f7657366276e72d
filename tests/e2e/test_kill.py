"""kill -9 of each process during traffic: after its restart nothing is lost, doubled or out of order (P1-P5)."""

import asyncio

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

CUSTOMERS, AFTER_KILL = 12, 3
PAUSE_SECONDS = 0.15
# Whose absence stops replies. Not accounts: the sender remembers tokens for a while.
ON_THE_WAY = {"ingress", "conversation", "sender", "ai_responder"}


@pytest.mark.parametrize("victim", ["ingress", "conversation", "sender", "accounts", "ai_responder"])
async def test_a_killed_process_loses_and_doubles_nothing(victim, bot, system):
    # One exchange first, so that the kill hits a system at work and not one that is starting.
    await bot.converse(1, 1)
    await bot.settled(1, 1)
    killed = asyncio.Event()
    traffic = asyncio.create_task(traffic_around(bot, killed))
    await some_replies(bot, 1 + CUSTOMERS)
    await asyncio.to_thread(system.kill, victim)
    killed.set()
    await traffic
    asked = {phone: await wamids_from(bot, phone) for phone in phones(bot)}
    messages = sum(len(wamids) for wamids in asked.values())
    if victim in ON_THE_WAY:
        assert len(await bot.client.received(phoneNumberId=bot.number)) < 1 + messages
    await asyncio.to_thread(system.restart, victim)
    await bot.settled(1, 1 + messages, seconds=120)
    for phone, wamids in asked.items():
        received = await bot.client.received(phone=phone)
        assert [entry["body"]["context"]["message_id"] for entry in received] == wamids
    await bot.assert_all_read_in_store()


async def traffic_around(bot, killed):
    """Each customer writes without waiting for answers until the kill, and AFTER_KILL messages against the hole."""

    async def one(index):
        number = left = 0
        while not killed.is_set() or left < AFTER_KILL:
            left += killed.is_set()
            number += 1
            await bot.client.says(bot.phone(index), bot.number, f"message {number}", f"C{index}")
            await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*(one(index) for index in range(1, CUSTOMERS + 1)))


def phones(bot):
    return [bot.phone(index) for index in range(1, CUSTOMERS + 1)]


async def wamids_from(bot, phone):
    """What a customer has written, in order."""
    wamids = [entry["wamid"] for entry in await bot.client.sent(phone=phone)]
    assert len(wamids) > AFTER_KILL
    return wamids


async def some_replies(bot, count):
    """Wait until the traffic is in full swing."""
    async with asyncio.timeout(30):
        while len(await bot.client.received(phoneNumberId=bot.number)) < count:
            await asyncio.sleep(0.02)
