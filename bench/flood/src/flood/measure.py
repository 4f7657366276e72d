"""One run: the quiet tenants alone, then while the flood is read, then while it goes out."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from pymongo import AsyncMongoClient

from common.contracts.ids import journal_id_in
from flood.connected import connected
from flood.measurements import Number, Waits
from flood.tenants import FLOODING, Quiet, Writer, flood, quiet_tenants
from testbed.client import Client, eventually
from testbed.plan import Choices
from testbed.system import PARTITIONS, System

FLOODING_NUMBER = "106540352209999"
TAKEN_IN = "while a flood is taken in"
GOES_OUT = "while it goes out"
_READ_SECONDS = 600.0
_IN_MEMORY = 1_000  # so many sends of one chatbot may be in a session's memory

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """`messages` in the flood; `seconds` of each phase, except the reading of the flood, which ends by itself."""

    messages: int
    seconds: float
    plans: Sequence[str]
    every: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Waits by phase and plan, the flooding number, and how long it took to enqueue and to read the flood."""

    phases: dict[str, dict[str, Waits]]
    number: Number
    enqueued_seconds: float
    taken_in_seconds: float


async def measure(options: Options, say: Say) -> Outcome:
    """Start everything, run, stop everything."""
    limits = ("--limits", "throughput,pair", "--delivered-after-ms", "30", "--read-after-ms", "60")
    # All tenants are in one partition, because a second one would only help the quiet tenants.
    with System(choices=Choices(emulator_options=limits), say=say) as system:
        async with connected(system) as (client, producer):
            return await _Run(options, system, client, say).go(producer)


class _Run:
    def __init__(self, options: Options, system: System, client: Client, say: Say) -> None:
        self.options = options
        self.system = system
        self.client = client
        self.say = say
        self.tenants = quiet_tenants(options.plans, PARTITIONS)
        self.phases: dict[str, dict[str, Waits]] = {}
        self.times: dict[str, dict[str, list[float]]] = {}
        self.seen = 0

    async def go(self, producer: AIOKafkaProducer) -> Outcome:
        """All phases, one after the other."""
        await self._onboard()
        writer = Writer(producer, self.tenants, self.options.every)
        await self._phase("(warming up)", writer, lambda: asyncio.sleep(5))
        del self.phases["(warming up)"]
        await self._phase("alone", writer, lambda: asyncio.sleep(self.options.seconds))
        times: list[float] = []
        own = AIOKafkaProducer(
            bootstrap_servers=self.system.stack.kafka_bootstrap_servers, enable_idempotence=True, linger_ms=5
        )
        async with own:
            await self._phase(TAKEN_IN, writer, lambda: self._take_in(own, times))
        before, began = await self._flooded(), time.monotonic()
        await self._phase(GOES_OUT, writer, lambda: asyncio.sleep(self.options.seconds))
        through = {
            tenant.plan: self.times[TAKEN_IN][tenant.plan] + self.times[GOES_OUT][tenant.plan]
            for tenant in self.tenants
        }
        self.phases["through all of it"] = {plan: Waits.of(waits) for plan, waits in through.items()}
        rate = (await self._flooded() - before) / (time.monotonic() - began)
        told = await self.client.control("GET", "limits", phoneNumberId=FLOODING_NUMBER)
        number = Number(
            int(told["messagesPerSecond"]), int(told["busiestSecond"]["messages"]), rate, sum(told["refused"].values())
        )
        return Outcome(self.phases, number, times[0], times[1])

    async def _onboard(self) -> None:
        self.say("accounts …")
        await self._account(FLOODING, FLOODING_NUMBER, "standard")
        for tenant in self.tenants:
            await self._account(tenant.chatbot_id, tenant.number, tenant.plan)

    async def _account(self, chatbot_id: str, number: str, plan: str) -> None:
        await self.client.onboard(chatbot_id, number, plan=plan)

    async def _phase(self, name: str, writer: Writer, work: Callable[[], Awaitable[None]]) -> None:
        self.say(f"{name} …")
        for tenant in self.tenants:
            tenant.sent.clear()
        over = asyncio.Event()
        writing = asyncio.create_task(writer.write(over))
        try:
            await work()
        finally:
            over.set()
            await writing
        self.times[name] = {tenant.plan: await self._waits(tenant) for tenant in self.tenants}
        self.phases[name] = {plan: Waits.of(times) for plan, times in self.times[name].items()}

    async def _take_in(self, producer: AIOKafkaProducer, times: list[float]) -> None:
        """Enqueue the flood, and wait until the sender has all of it in memory or in MongoDB."""
        began = time.monotonic()
        await flood(producer, self.options.messages)
        times.append(time.monotonic() - began)
        mongo: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(self.system.stack.mongodb_uri)
        async with mongo:
            parked = mongo["whatsapp_cloud"]["send_parked"]

            async def read() -> bool:
                stored = await parked.count_documents({"group": FLOODING})
                return stored + await self._flooded() >= self.options.messages - _IN_MEMORY

            await eventually("the flood is taken in", read, seconds=_READ_SECONDS, pause=0.1)
        times.append(time.monotonic() - began)

    async def _waits(self, tenant: Quiet) -> list[float]:
        """How long each message of a tenant took. It waits for the last one."""
        wanted = dict(tenant.sent)

        async def found() -> dict[str, float] | None:
            entries = await self.client.received(phoneNumberId=tenant.number)
            there = {journal_id_in(entry["callbackData"]): float(entry["atMs"]) for entry in entries}
            return there if wanted.keys() <= there.keys() else None

        arrived = await eventually(f"all of {tenant.chatbot_id} arrive", found, seconds=120, pause=0.5)
        return [arrived[key] - at for key, at in wanted.items()]

    async def _flooded(self) -> int:
        return int((await self.client.control("GET", "limits", phoneNumberId=FLOODING_NUMBER))["outbound"])
