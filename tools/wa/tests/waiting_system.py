"""A running system whose topics change: real processes, with sends that are parked and scheduled, and traffic."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count

from testbed.client import eventually
from wa.__main__ import main

OPTIONS = ("--delivered-after-ms", "30", "--read-after-ms", "60", "--retry-delays-ms", "0,200,500" + ",1000" * 120)
FASTER = {
    "SENDER_PARK_SECONDS": "0.5",
    "SENDER_PAUSE_SECONDS": "1",
    "SENDER_PAUSE_CAP_SECONDS": "2",
}
BLOCKED = 131031  # the account is blocked: Meta refuses all sends of the number, and they wait


class World:
    """Customers of one chatbot, and what its AI answered each of them; another chatbot whose number Meta refuses."""

    def __init__(self, system, client, mongo, phones):
        self.system, self.client, self.mongo = system, client, mongo
        self.bot, self.number = "bot", "106540352248888"
        self.held, self.held_number = "held-1", "106540352249999"
        self.phones = [f"4915900009{index:02}" for index in range(phones)]
        self.asked = []  # (phone, text) of requests on the API, in order
        self.later = {}  # text: phone
        self._numbers = count()

    async def begin(self):
        await self.client.onboard(self.bot, self.number)
        await self.client.onboard(self.held, self.held_number, waba_id="200000000000002")
        for phone in self.phones:
            await self.client.says(phone, self.number, "Hello")
            await self.client.says(phone, self.held_number, "Hello")
        await eventually("all have an answer", self.answered, seconds=60)

    async def hold(self):
        """From now on Meta refuses the other number."""
        rule = {"match": {"phone": self.held_number}, "fault": {"kind": "error", "code": BLOCKED}}
        await self.client.control("POST", "faults", {"rules": [rule]})

    async def ask(self, phone, text, **more):
        """Ask for a message of the held number; it is in order behind the earlier ones to this phone."""
        body = {"chatbotId": self.held, "to": phone, "message": text, "messageId": f"id {text} {phone}", **more}
        await self.client.api("POST", "/send", body)
        if "sendAt" not in more:
            self.asked.append((phone, text))

    async def park(self, each=3):
        for _ in range(each):
            for phone in self.phones:
                await self.ask(phone, f"parked {next(self._numbers)}")
        wanted = len(self.asked)

        async def parked():
            return await self.mongo.database["send_parked"].count_documents({}) >= wanted

        await eventually("they are parked", parked, seconds=60)

    async def schedule(self, seconds):
        due = datetime.now(UTC) + timedelta(seconds=seconds)
        for phone in self.phones:
            text = f"later {next(self._numbers)}"
            self.later[text] = phone
            await self.ask(phone, text, sendAt=due.isoformat())

        async def scheduled():
            return await self.mongo.database["send_scheduled"].count_documents({}) >= len(self.later)

        await eventually("they are scheduled", scheduled, seconds=60)

    async def answered(self):
        """Whether every message to the first chatbot has its answer."""
        for phone in self.phones:
            got = await self._answers(phone, self.number)
            if len(got) < len(await self._questions(phone, self.number)):
                return False
        return True

    @asynccontextmanager
    async def traffic(self):
        """Customers write while the block runs, and a little before and after it."""

        async def talk():
            for number in count():
                await self.client.says(self.phones[number % len(self.phones)], self.number, f"question {number}")
                await asyncio.sleep(0.05)

        talking = asyncio.create_task(talk())
        try:
            await asyncio.sleep(0.5)
            yield
            await asyncio.sleep(0.5)
        finally:
            talking.cancel()
            with suppress(asyncio.CancelledError):
                await talking

    async def wa(self, *words):
        return await asyncio.to_thread(main, [*words, "--bootstrap", self.system.stack.kafka_bootstrap_servers])

    async def assert_all_arrived(self, seconds=120):
        """Each customer has one answer to each question, in order; each request of the API arrived once, in order."""
        await eventually("all have their answers", self.answered, seconds=seconds)
        wanted = len(self.asked) + len(self.later)

        async def arrived():
            return len([text for phone in self.phones for text in await self._texts(phone)]) >= wanted

        await eventually("all that was asked for has arrived", arrived, seconds=seconds)

        async def settled():
            database = self.mongo.database
            waiting = [await database[name].count_documents({}) for name in ("send_parked", "send_scheduled")]
            return sum(waiting) == 0

        await eventually("nothing waits", settled, seconds=60)
        for phone in self.phones:
            for number in (self.number, self.held_number):
                assert await self._answers(phone, number) == await self._questions(phone, number), (phone, number)
            texts = await self._texts(phone)
            later = sorted(text for text in texts if text.startswith("later"))
            assert later == sorted(text for text, of in self.later.items() if of == phone)
            in_order = [text for to, text in self.asked if to == phone]
            assert [text for text in texts if not text.startswith("later")] == in_order

    async def _questions(self, phone, number):
        return [entry["wamid"] for entry in await self.client.sent(phone=phone) if entry["phoneNumberId"] == number]

    async def _entries(self, phone, number):
        return [entry for entry in await self.client.received(phone=phone) if entry["phoneNumberId"] == number]

    async def _answers(self, phone, number):
        bodies = [entry["body"] for entry in await self._entries(phone, number)]
        return [body["context"]["message_id"] for body in bodies if "context" in body]

    async def _texts(self, phone):
        bodies = [entry["body"] for entry in await self._entries(phone, self.held_number)]
        return [body["text"]["body"] for body in bodies if "context" not in body]


async def stop(system, *services):
    started = time.monotonic()
    for service in services:
        for name in system.names(service):
            await asyncio.to_thread(system.terminate, name)
    return time.monotonic() - started


async def start(system, *services):
    for service in services:
        for name in system.names(service):
            await asyncio.to_thread(system.restart, name)
