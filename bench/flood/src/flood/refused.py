"""How long people wait for replies beside a campaign of the same number whose templates Meta refuses."""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from common.contracts.ids import journal_id, journal_id_in
from flood.connected import connected
from flood.measure import Say
from flood.measurements import Waits
from flood.tenants import SEND
from testbed.client import Client, eventually
from testbed.plan import Choices
from testbed.system import System

CHATBOT: Final = "refused"
NUMBER: Final = "106540352208888"
_PEOPLE: Final = 50
_EVERY: Final = 0.2
_CAMPAIGN: Final = 1_000
_CODE: Final = 131063


async def measure_refused(templates: int, seconds: float, say: Say) -> Mapping[str, Waits]:
    """Measure replies alone, then beside a campaign of so many refused templates. Starts and stops everything."""
    limits = ("--limits", "throughput", "--delivered-after-ms", "30", "--read-after-ms", "60")
    with System(choices=Choices(emulator_options=limits), say=say) as system:
        async with connected(system) as (client, producer):
            return await _go(client, producer, templates, seconds, say)


async def _go(
    client: Client, producer: AIOKafkaProducer, templates: int, seconds: float, say: Say
) -> Mapping[str, Waits]:
    await client.onboard(CHATBOT, NUMBER)
    for index in range(_PEOPLE):
        await client.says(f"49160000{index:04d}", NUMBER, "Hello")  # their window is open
    numbers = itertools.count()
    await _replies(client, producer, numbers, 3.0)  # warming up
    say("replies alone …")
    alone = await _replies(client, producer, numbers, seconds)
    names = [f"offer_{n}" for n in range(templates)]
    rules = [{"match": {"template": name}, "fault": {"kind": "error", "code": _CODE}} for name in names]
    await client.control("POST", "faults", {"rules": rules})
    for index in range(_CAMPAIGN):
        template = {"name": names[index % templates], "language": {"code": "en"}}
        message = {"type": "template", "template": template}
        await _send(producer, f"campaign-{index}", f"+4917{index:09d}", message, "campaign")
    say(f"replies beside {templates} refused templates …")
    beside = await _replies(client, producer, numbers, seconds)
    return {"replies alone": Waits.of(alone), f"beside {templates} refused templates": Waits.of(beside)}


async def _replies(client: Client, producer: AIOKafkaProducer, numbers: Iterator[int], seconds: float) -> list[float]:
    """Reply to one person after another for `seconds`; how long each reply took until Meta accepted it, in ms."""
    sent: dict[str, float] = {}
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        number = next(numbers)
        message_id = f"reply-{number}"
        sent[journal_id(CHATBOT, message_id)] = time.time() * 1000
        await _send(producer, message_id, f"+49160000{number % _PEOPLE:04d}", f"reply {number}", "conversation")
        await asyncio.sleep(_EVERY)

    async def found() -> dict[str, float] | None:
        entries = await client.received(phoneNumberId=NUMBER)
        there = {journal_id_in(entry["callbackData"]): float(entry["atMs"]) for entry in entries}
        return there if sent.keys() <= there.keys() else None

    arrived = await eventually("all replies arrive", found, seconds=900, pause=0.5)
    return [arrived[key] - at for key, at in sent.items()]


async def _send(producer: AIOKafkaProducer, message_id: str, to: str, message: Any, category: str) -> None:
    request = {"chatbotId": CHATBOT, "to": to, "messageId": message_id, "category": category, "message": message}
    await producer.send_and_wait(SEND, json.dumps(request).encode(), key=CHATBOT.encode())
