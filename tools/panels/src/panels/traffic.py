"""The traffic for the dashboards: customers write to two chatbots, and producers send, until they are stopped.

Nothing here leaves the machine: customers and phones are the emulator's.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from aiohttp import ClientError

from testbed.client import Client, StepFailed

log = logging.getLogger(__name__)

Json = dict[str, Any]

STRANGER: Final = "4917100000000"
"""No person with this number has written, so only templates may be sent to it."""

_LATER: Final = timedelta(seconds=40)
_CUSTOMERS: Final = 60


@dataclass(frozen=True, slots=True)
class Tenant:
    """A chatbot with its number, and its `share` of the traffic."""

    chatbot_id: str
    phone_number_id: str
    waba_id: str
    plan: str
    share: float


TENANTS: Final = (
    Tenant("flower-shop", "106540352242922", "200000000000001", "premium", 0.7),
    Tenant("dentist", "106540352242933", "200000000000002", "standard", 0.3),
)


@dataclass
class Traffic:
    """`rate` messages a second of customers, and half as many sends by producers, spread as the tenants' shares say."""

    client: Client
    rate: float
    rng: random.Random
    numbers: int = 0
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Write and send until `stop`. Refused calls are not repeated, because the panels should show outages."""
        async with asyncio.TaskGroup() as group:
            for tenant in TENANTS:
                group.create_task(self._often(tenant.share * self.rate, partial(self._customer, tenant)))
                group.create_task(self._often(tenant.share * self.rate / 2, partial(self._producer, tenant)))
            group.create_task(self._often(0.5, self._reader))

    def stop(self) -> None:
        """Stop, and wait until all tasks have ended."""
        self._stop.set()

    async def _customer(self, tenant: Tenant) -> None:
        index = self.rng.randrange(_CUSTOMERS)
        text = self.rng.choice(("Are you open on Monday?", "Thank you!", "Can I change my order?", "a human, please"))
        await self.client.says(_phone(tenant, index), tenant.phone_number_id, text, f"C{index}")

    async def _producer(self, tenant: Tenant) -> None:
        self.numbers += 1
        request = template(tenant, _phone(tenant, self.numbers % 500 + _CUSTOMERS), f"news-{self.numbers}")
        if self.numbers % 8 == 0:
            request["sendAt"] = (datetime.now(UTC) + _LATER).isoformat()
        await self.client.api("POST", "/send", request)

    async def _reader(self) -> None:
        await self.client.api("GET", f"/conversations?chatbotId={TENANTS[0].chatbot_id}")

    async def _often(self, rate: float, deed: Callable[[], Awaitable[None]]) -> None:
        """`deed` at random, `rate` times a second."""
        async with asyncio.TaskGroup() as group:
            while await self._pause(self.rng.expovariate(rate)):
                group.create_task(_tried(deed))

    async def _pause(self, seconds: float) -> bool:
        """Wait; False when the traffic should end."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return True
        return False


def template(tenant: Tenant, phone: str, message_id: str) -> Json:
    """A send request that may go to people who have never written."""
    message = {"type": "template", "template": {"name": "news", "language": {"code": "en"}}}
    return {"chatbotId": tenant.chatbot_id, "to": f"+{phone}", "messageId": message_id, "message": message}


def _phone(tenant: Tenant, index: int) -> str:
    return f"49151{TENANTS.index(tenant)}{index:07d}"


async def _tried(deed: Callable[[], Awaitable[None]]) -> None:
    try:
        await deed()
    except (ClientError, StepFailed, TimeoutError) as error:
        log.info("not accepted: %r", error)
