"""kill -9 of the sender while it takes a flood in: nothing is lost, doubled or out of order, and others go on (P3, P4, P7)."""

import asyncio
import itertools
import uuid

import pytest

from common.kafka.wire.partitioner import partition_of
from testbed.client import eventually
from testbed.system import PARTITIONS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PEOPLE, EACH, KILLS = 150, 20, 2


def news(text):
    parameters = [{"type": "text", "text": text}]
    components = [{"type": "body", "parameters": parameters}]
    return {"type": "template", "template": {"name": "news", "language": {"code": "en"}, "components": components}}


def text_of(entry):
    return entry["body"]["template"]["components"][0]["parameters"][0]["text"]


def neighbour(chatbot):
    """A chatbot in the same partition."""
    names = (f"quiet-{uuid.uuid4().hex[:8]}" for _ in itertools.count())
    return next(name for name in names if partition_of(name, PARTITIONS) == partition_of(chatbot, PARTITIONS))


async def test_a_flood_and_the_tenant_beside_it_survive_kills_while_it_is_taken_in(bot, system):
    client = bot.client
    await client.control("POST", "throughput", {"phoneNumberId": bot.number, "throughputLevel": "HIGH"})
    quiet, number = neighbour(bot.chatbot_id), f"2{bot.number[1:]}"
    await client.onboard(quiet, number)
    campaign = [
        {"to": f"+{bot.phone(index)}", "message": news(f"{n}"), "messageId": f"{index}-{n}"}
        for n in range(EACH)
        for index in range(PEOPLE)
    ]
    for part in range(0, len(campaign), 1_000):
        body = {"chatbotId": bot.chatbot_id, "messages": campaign[part : part + 1_000]}
        assert (await client.api("POST", "/send/batch", body))["data"]["enqueued"] == 1_000
        if part < 1_000 * KILLS:
            await asyncio.to_thread(system.kill, "sender")
            await asyncio.to_thread(system.restart, "sender")
        one = {"chatbotId": quiet, "to": f"+{bot.phone(part)}", "message": news("quiet"), "messageId": f"quiet-{part}"}
        await client.api("POST", "/send", one)

    async def all_there():
        theirs = await client.received(phoneNumberId=number)
        return len(theirs) >= 3 and len(await client.received(phoneNumberId=bot.number)) >= PEOPLE * EACH

    await eventually("all are there", all_there, seconds=120)
    await bot.settled(PEOPLE, EACH)
    taken = {}
    for entry in await client.received(phoneNumberId=bot.number):
        taken.setdefault(entry["phone"], []).append(int(text_of(entry)))
    assert set(map(tuple, taken.values())) == {tuple(range(EACH))}
    assert len(taken) == PEOPLE
    assert len(await client.received(phoneNumberId=number)) == len(range(0, len(campaign), 1_000))
