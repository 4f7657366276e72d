"""A dead letter, from its end to its replay, with the operator's command line."""

import asyncio
import json
import os
import sys
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer

from testbed.client import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


async def wa(system, *arguments):
    """(exit code, what it printed) of `wa dlq …`."""
    environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": system.stack.kafka_bootstrap_servers}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wa", "dlq", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    return process.returncode, out.decode() + error.decode()


async def letters_of(system, chatbot_id):
    _, printed = await wa(system, "list", "--topic", "send", "--chatbot", chatbot_id, "--json")
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


async def test_a_dead_letter_is_replayed_once_however_often_it_is_asked_for(bot, client, system):
    chatbot_id, number, phone = f"late-{bot.base}", f"1065403599{bot.base:05d}", bot.phone(0)
    request = {"chatbotId": chatbot_id, "to": f"+{phone}", "message": "Early words", "messageId": "early"}
    producer = AIOKafkaProducer(bootstrap_servers=system.stack.kafka_bootstrap_servers)
    await producer.start()
    try:
        await producer.send_and_wait("whatsapp-cloud-send", json.dumps(request).encode(), key=chatbot_id.encode())
    finally:
        await producer.stop()
    (letter,) = await eventually("the dead letter", lambda: letters_of(system, chatbot_id))
    assert letter["reason"] == "unknown_account"
    assert "Early words" not in json.dumps(letter)
    await client.onboard(chatbot_id, number, waba_id=f"2000000{bot.base:05d}")
    await replace(bot, chatbot_id=chatbot_id, number=number).open_windows(0)
    order = ("replay", "--topic", "send", "--chatbot", chatbot_id, "--by", "ann", "--because", "now it has an account")
    code, printed = await wa(system, *order, "--yes")
    assert code == 0, printed

    async def arrived():
        return await client.received(phone=phone)

    await eventually("the message", arrived)
    _, printed = await wa(system, *order, "--yes")
    assert "ann" in printed
    sent = {**request, "messageId": "after", "message": "After it"}
    await client.api("POST", "/send", sent)

    async def both():
        return len(await arrived()) >= 2

    await eventually("the next message", both)
    assert [entry["body"]["text"]["body"] for entry in await arrived()] == ["Early words", "After it"]
