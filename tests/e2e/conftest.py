"""The system of the end-to-end tests: every service as a real process; only Meta is the emulator."""

import asyncio
import uuid
from dataclasses import dataclass

import pytest
from aiohttp import ClientSession

from testbed.client import Client, eventually
from testbed.plan import Choices
from testbed.system import System

# Everything that makes a fault heal sooner than in production: shorter windows, the same code. And what lets the sender
# fetch the files of a test's own server, which is on this machine.
FASTER = {
    "sender": {
        "SENDER_IN_DOUBT_SECONDS": "6",
        "GRAPH_TOTAL_SECONDS": "0.9",
        "SENDER_PAUSE_SECONDS": "1",
        "FETCH_PLAIN_HTTP": "true",
        "FETCH_PRIVATE_ADDRESSES": "true",
    },
    "conversation": {"KAFKA_SESSION_TIMEOUT_MS": "6000"},
}
EMULATOR = ("--retry-delays-ms", "0,200,500,1000", "--delivered-after-ms", "30", "--read-after-ms", "60")


@pytest.fixture(scope="session")
def system(request):
    """One system for all end-to-end tests, on a free port.

    With a Kafka of its own: topics have fixed names, and what other tests left in them is not this system's traffic.
    """
    database = f"e2e_{uuid.uuid4().hex[:12]}"
    settings = {
        name: {**FASTER.get(name, {}), "MONGODB_DATABASE": database} for name in ("sender", "conversation", "accounts")
    }
    with System(choices=Choices(extra=settings, emulator_options=EMULATOR)) as system:
        yield system
        system.keep_logs = request.session.testsfailed > 0


@dataclass
class Bot:
    """An account of one test: its chatbot, its number, its customers."""

    client: Client
    system: System
    chatbot_id: str
    number: str
    base: int

    def phone(self, index: int) -> str:
        """The phone of a customer."""
        return f"4915{self.base:06d}{index:04d}"

    async def open_windows(self, *indexes: int) -> None:
        """Have customers write something that the AI leaves unanswered: they may be written to from now on."""
        phones = {self.phone(index) for index in indexes}
        for phone in phones:
            reaction = {"from": phone, "phoneNumberId": self.number, "message": {"type": "reaction"}}
            await self.client.control("POST", "inbound", reaction)

        async def stored():
            found = (await self.client.api("GET", f"/conversations?chatbotId={self.chatbot_id}&limit=100"))["data"]
            return phones <= {one["contact"].get("waId") for one in found if one["window"]["open"]}

        await eventually("the windows are open", stored)

    async def calls(self) -> list[dict]:
        """The calls to Meta by which this account sends messages, refused ones too, in order."""
        calls = (await self.client.control("GET", "calls", limit="5000"))["calls"]
        return [c for c in calls if c.get("phoneNumberId") == self.number and c["path"].endswith("messages")]

    async def converse(self, customers: int, messages: int, pause: float = 0.0) -> None:
        """Each customer writes `messages` messages, one after another; customers side by side."""

        async def one(index):
            for number in range(messages):
                await self.client.says(self.phone(index), self.number, f"message {number}", f"C{index}")
                await asyncio.sleep(pause)

        await asyncio.gather(*(one(index) for index in range(customers)))

    async def settled(self, customers: int, messages: int, seconds: float = 60.0) -> None:
        """Wait until every message has a reply and Meta has nothing left to say."""

        async def done():
            received = await self.client.received(phoneNumberId=self.number)
            idle = await self.client.control("GET", "idle")
            return len(received) >= customers * messages and idle["idle"]

        await eventually(f"{customers * messages} replies", done, seconds=seconds)

    async def assert_exactly_one_reply_each_in_order(self, customers: int, messages: int) -> None:
        """The emulator's ledger: each message has one reply, in the order in which they were written."""
        for index in range(customers):
            asked = [entry["wamid"] for entry in await self.client.sent(phone=self.phone(index))]
            received = await self.client.received(phone=self.phone(index))
            assert len(asked) == messages
            assert [entry["body"]["context"]["message_id"] for entry in received] == asked

    async def assert_all_read_in_store(self) -> None:
        """Every reply is `read` in the read API."""

        async def read():
            entries = await self.client.received(phoneNumberId=self.number)
            stored = await asyncio.gather(*(self.client.message(entry) for entry in entries))
            return all(message and message.get("deliveryStatus") == "read" for message in stored)

        await eventually("all replies are `read`", read, seconds=30)


@pytest.fixture
async def client(system):
    async with ClientSession() as session:
        yield Client(session, system.urls, system.secret)


_numbers = iter(range(1, 1_000))


@pytest.fixture
async def bot(client, system):
    """A fresh account with a number of its own, and no faults at Meta."""
    index = next(_numbers)
    bot = Bot(client, system, f"bot-{index}", f"1065403522{index:05d}", index)
    await client.onboard(bot.chatbot_id, bot.number)
    yield bot
    await client.control("DELETE", "faults")
