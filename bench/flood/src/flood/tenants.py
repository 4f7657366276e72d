"""The tenants: one sends a large campaign at once, the others send a message now and then."""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from common.contracts.ids import journal_id
from common.kafka.wire.partitioner import partition_of

SEND: Final = "whatsapp-cloud-send"
FLOODING: Final = "flooding"


@dataclass(slots=True)
class Quiet:
    """A tenant of one plan; `sent` has the time in ms when each message was enqueued, by journal id."""

    chatbot_id: str
    plan: str
    number: str
    sent: dict[str, float] = field(default_factory=dict)


def quiet_tenants(plans: Sequence[str], partitions: int) -> list[Quiet]:
    """One tenant for each of these plans, all in the partition of the flooding tenant, where its effect is largest."""
    home = partition_of(FLOODING, partitions)
    made: list[Quiet] = []
    for index, plan in enumerate(plans):
        taken = {tenant.chatbot_id for tenant in made}
        names = (f"quiet-{plan}-{n}" for n in itertools.count())
        name = next(name for name in names if partition_of(name, partitions) == home and name not in taken)
        made.append(Quiet(name, plan, f"10654035220{index:04d}"))
    return made


def message(chatbot_id: str, message_id: str, to: str, category: str) -> bytes:
    """A template, because it may be sent to any person at any time."""
    part = {"type": "body", "parameters": [{"type": "text", "text": "Winter boots are here"}]}
    template = {"name": "news", "language": {"code": "en"}, "components": [part]}
    request: dict[str, Any] = {
        "chatbotId": chatbot_id,
        "to": to,
        "messageId": message_id,
        "category": category,
        "message": {"type": "template", "template": template},
    }
    return json.dumps(request).encode()


async def flood(producer: AIOKafkaProducer, messages: int) -> None:
    """Enqueue a campaign as fast as Kafka takes it."""
    pending: set[asyncio.Future[Any]] = set()
    for index in range(messages):
        value = message(FLOODING, f"flood-{index}", f"+4917{index:09d}", "campaign")
        pending.add(await producer.send(SEND, value, key=FLOODING.encode()))
        if len(pending) >= 5_000:
            await asyncio.wait(pending)
            pending.clear()
    if pending:
        await asyncio.wait(pending)


@dataclass(slots=True)
class Writer:
    """Sends messages of the quiet tenants in turn: each sends one every `every` seconds, always to another person."""

    producer: AIOKafkaProducer
    tenants: Sequence[Quiet]
    every: float
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def write(self, until: asyncio.Event) -> None:
        """Run until stopped."""
        pause = self.every / len(self.tenants)
        for tenant in itertools.cycle(self.tenants):
            if until.is_set():
                return
            began = time.monotonic()
            await self._one(tenant)
            await asyncio.sleep(max(0.0, pause - (time.monotonic() - began)))

    async def _one(self, tenant: Quiet) -> None:
        number = next(self._numbers)
        message_id = f"quiet-{number}"
        value = message(tenant.chatbot_id, message_id, f"+4916{number:09d}", "conversation")
        tenant.sent[journal_id(tenant.chatbot_id, message_id)] = time.time() * 1000
        await self.producer.send_and_wait(SEND, value, key=tenant.chatbot_id.encode())
