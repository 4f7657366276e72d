"""The traffic of a run: customers who write through the emulator, and producers who send by themselves.

Every text has the run's marker, so that a search of the logs finds any that was logged.
"""

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from aiohttp import ClientError
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from testbed.client import Client, StepFailed

log = logging.getLogger(__name__)

SEND: Final = "whatsapp-cloud-send"
_TRY_AGAIN_SECONDS: Final = 0.5
_API_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Bot:
    """One account of the run."""

    chatbot_id: str
    phone_number_id: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A send that a producer started itself. `order` counts per phone."""

    message_id: str
    chatbot_id: str
    phone: str
    order: int


@dataclass
class Traffic:
    """`rate` messages a second, spread over `customers`; a quarter as many sends by producers."""

    client: Client
    bots: list[Bot]
    customers: int
    rate: float
    marker: str
    kafka: str
    rng: random.Random
    directs: list[Sent] = field(default_factory=list)
    asked: int = 0
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Write until `stop`. At the end every started message has been accepted."""
        async with asyncio.TaskGroup() as group:
            for index in range(self.customers):
                group.create_task(self._customer(index))
            for index, how in enumerate((self._by_topic, self._by_topic_astray, self._by_api)):
                group.create_task(self._producer(index, how))

    def stop(self) -> None:
        """Stop, and wait until all tasks have ended."""
        self._stop.set()

    async def _customer(self, index: int) -> None:
        bot = self.bots[index % len(self.bots)]
        phone = f"4915{index:08d}"
        number = 0
        while await self._pause(self.customers / self.rate):
            number += 1
            text = f"{self.marker} message {number}"
            await until_done(partial(self.client.says, phone, bot.phone_number_id, text, f"C{index}"))
            self.asked += 1

    async def _producer(self, index: int, how: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Send to its own phones, each in one way, because only then an order is promised."""
        bot = self.bots[index % len(self.bots)]
        phones = [f"4916{index:04d}{n:04d}" for n in range(4)]
        number = 0
        while await self._pause(3 * 4 / self.rate):
            phone = phones[number % len(phones)]
            sent = Sent(f"direct-{index}-{number}", bot.chatbot_id, phone, number)
            body: dict[str, Any] = {"chatbotId": bot.chatbot_id, "to": f"+{phone}", "messageId": sent.message_id}
            body["message"] = _template(f"{self.marker} direct {number}")
            self.directs.append(sent)
            await until_done(partial(how, body))
            number += 1

    async def _by_api(self, body: dict[str, Any]) -> None:
        async with asyncio.timeout(_API_SECONDS):
            await self.client.api("POST", "/send", body)

    async def _by_topic(self, body: dict[str, Any]) -> None:
        await self._publish(body, body["chatbotId"])

    async def _by_topic_astray(self, body: dict[str, Any]) -> None:
        await self._publish(body, body["to"])

    async def _publish(self, body: dict[str, Any], key: str) -> None:
        """Send with a new producer for each record, as a short-lived job of a chatbot team does."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, enable_idempotence=True, request_timeout_ms=10_000)
        try:
            await producer.start()
            await producer.send_and_wait(SEND, json.dumps(body).encode(), key=key.encode())
        finally:
            await producer.stop()

    async def _pause(self, mean: float) -> bool:
        """Wait for a random time; False when the traffic should end."""
        try:
            async with asyncio.timeout(self.rng.uniform(0.5, 1.5) * mean):
                await self._stop.wait()
        except TimeoutError:
            return True
        return False


def _template(words: str) -> dict[str, Any]:
    """A message that may be sent to people who have never written."""
    components = [{"type": "body", "parameters": [{"type": "text", "text": words}]}]
    return {"type": "template", "template": {"name": "news", "language": {"code": "en"}, "components": components}}


async def until_done(deed: Callable[[], Awaitable[object]]) -> None:
    """Try again until it is accepted, as a careful producer does: the ids stay the same."""
    while True:
        try:
            await deed()
        except (ClientError, KafkaError, StepFailed, OSError) as error:
            log.info("not accepted, trying again: %r", error)
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
        else:
            return
