"""The failures that the dashboards should show, one after another. An incident has a name and an action."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from panels.traffic import STRANGER, TENANTS, template
from testbed.client import Client, webhook_body
from testbed.system import System

Json = dict[str, Any]

_TOO_LARGE: Final = 3 * 1024 * 1024 + 1
_SHOP, _DENTIST = TENANTS


@dataclass(frozen=True, slots=True)
class Incident:
    """After `after` quiet seconds, `deed` makes the failure."""

    name: str
    deed: Callable[[], Awaitable[None]]
    after: float = 20.0


class Incidents:
    """All incidents of one system. Meta is away for `outage` seconds, and a process is dead for a third of that."""

    def __init__(self, system: System, client: Client, tokens: dict[str, str], outage: float) -> None:
        self._system = system
        self._client = client
        self._tokens = tokens
        self._outage = outage

    def all(self) -> Sequence[Incident]:
        """The incidents in order."""
        return (
            Incident("forged webhooks", self._forge, after=45.0),
            Incident("records that make no sense", self._rubbish, after=10.0),
            Incident("text outside the window", self._strangers, after=5.0),
            Incident("Meta fails now and then", self._flaky, after=10.0),
            Incident("a campaign beyond Meta's limit", self._campaign),
            Incident("Meta is away", self._away, after=30.0),
            Incident("answers of Meta are lost", self._lost),
            Incident("a token is refused", self._refused, after=45.0),
            Incident("Kafka hangs", self._kafka),
            Incident("MongoDB hangs", self._mongo),
            Incident("a conversation process dies", self._killed),
        )

    async def _forge(self) -> None:
        body = webhook_body(_SHOP.phone_number_id, "wamid.FORGED", "hello")
        for _ in range(30):
            await self._client.deliver(body, signature="sha256=" + "0" * 64)
        await self._client.deliver(b"x" * _TOO_LARGE)

    async def _rubbish(self) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._system.stack.kafka_bootstrap_servers)
        await producer.start()
        try:
            for topic in ("whatsapp-cloud-send", "whatsapp-cloud-webhooks"):
                await producer.send_and_wait(topic, b"not a record", key=b"rubbish")
        finally:
            await producer.stop()

    async def _strangers(self) -> None:
        for number in range(10):
            request = template(_SHOP, STRANGER, f"stranger-{number}") | {"message": "Hello?"}
            await self._client.api("POST", "/send", request)

    async def _flaky(self) -> None:
        await self._meta({"kind": "error", "code": 131000, "status": 500}, 0.3, 20.0)

    async def _campaign(self) -> None:
        await self._limit(10)
        messages = [template(_DENTIST, f"49161{number:08d}", f"recall-{number}") for number in range(250)]
        for message in messages:
            del message["chatbotId"]
        await self._client.api("POST", "/send/batch", {"chatbotId": _DENTIST.chatbot_id, "messages": messages})
        await asyncio.sleep(40.0)
        await self._limit(0)

    async def _limit(self, messages_per_second: int) -> None:
        await self._client.control("POST", "config", {"limits": ["throughput"] if messages_per_second else "none"})
        limit = {"phoneNumberId": _DENTIST.phone_number_id, "messagesPerSecond": messages_per_second}
        await self._client.control("POST", "throughput", limit)

    async def _away(self) -> None:
        await self._meta({"kind": "error", "code": 131016, "status": 503}, 1.0, self._outage)

    async def _lost(self) -> None:
        await self._meta({"kind": "reset"}, 0.3, 15.0)

    async def _refused(self) -> None:
        await self._client.control("POST", "tokens/revoke", {"token": self._tokens[_DENTIST.chatbot_id]})
        await asyncio.sleep(25.0)
        await onboard(self._client, self._tokens, _DENTIST)

    async def _kafka(self) -> None:
        await self._hung(self._system.stack.kafka.pause, self._system.stack.kafka.resume, 10.0)

    async def _mongo(self) -> None:
        await self._hung(self._system.stack.mongo.pause, self._system.stack.mongo.resume, 15.0)

    async def _killed(self) -> None:
        await asyncio.to_thread(self._system.kill, "conversation-2")
        await asyncio.sleep(self._outage / 3)
        await asyncio.to_thread(self._system.restart, "conversation-2")

    async def _hung(self, pause: Callable[[], None], resume: Callable[[], None], seconds: float) -> None:
        await asyncio.to_thread(pause)
        try:
            await asyncio.sleep(seconds)
        finally:
            resume()

    async def _meta(self, fault: Json, probability: float, seconds: float) -> None:
        """Let Meta do this to a share of all calls for some time."""
        await self._client.control(
            "POST", "faults", {"rules": [{"fault": fault, "match": {"probability": probability}}]}
        )
        await asyncio.sleep(seconds)
        await self._client.control("DELETE", "faults")


async def onboard(client: Client, tokens: dict[str, str], tenant: Any) -> None:
    """Create a number at the emulator, or a new token for it, and its account."""
    known = tenant.chatbot_id in tokens
    business = {"wabaId": tenant.waba_id} | ({} if known else {"phoneNumberId": tenant.phone_number_id})
    token = (await client.control("POST", "tokens" if known else "businesses", business))["token"]
    account = {
        "chatbotId": tenant.chatbot_id,
        "phoneNumberId": tenant.phone_number_id,
        "accessToken": token,
        "webhookVerifyToken": f"verify-{tenant.chatbot_id}",
        "plan": tenant.plan,
    }
    await client.api("POST", "/account", account)
    tokens[tenant.chatbot_id] = token
