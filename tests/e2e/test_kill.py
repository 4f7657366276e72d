"""kill -9 of each process during traffic: after its restart nothing is lost, doubled or out of order (P1-P5)."""

import asyncio

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

CUSTOMERS, MESSAGES = 12, 5


@pytest.mark.parametrize("victim", ["ingress", "conversation", "sender", "accounts", "ai_responder"])
async def test_a_killed_process_loses_and_doubles_nothing(victim, bot, system):
    # One exchange first, so that the kill hits a system at work and not one that is starting.
    await bot.converse(1, 1)
    await bot.settled(1, 1)
    traffic = asyncio.create_task(bot_traffic(bot))
    await some_replies(bot, 1 + CUSTOMERS)
    await asyncio.to_thread(system.kill, victim)
    await asyncio.sleep(0)  # the kill is synchronous; traffic goes on against the hole
    await traffic
    await asyncio.to_thread(system.restart, victim)
    await bot.settled(1, 1 + CUSTOMERS * MESSAGES, seconds=120)
    for index in range(1, CUSTOMERS + 1):
        asked = [entry["wamid"] for entry in await bot.client.sent(phone=bot.phone(index))]
        received = await bot.client.received(phone=bot.phone(index))
        assert len(asked) == MESSAGES
        assert [entry["body"]["context"]["message_id"] for entry in received] == asked
    await bot.assert_all_read_in_store()


async def bot_traffic(bot):
    """Customers 1 to CUSTOMERS, each a message every 150 ms."""

    async def one(index):
        for number in range(MESSAGES):
            await bot.client.says(bot.phone(index), bot.number, f"message {number}", f"C{index}")
            await asyncio.sleep(0.15)

    await asyncio.gather(*(one(index) for index in range(1, CUSTOMERS + 1)))


async def some_replies(bot, count):
    """Wait until the traffic is in full swing."""
    async with asyncio.timeout(30):
        while len(await bot.client.received(phoneNumberId=bot.number)) < count:
            await asyncio.sleep(0.02)
