"""A tenant that attacks the others during the faults, in every way of `hostile`, at rates that the machine can handle.

It has its own account, number and API key, and a program that speaks HTTP badly. Whatever it is answered, it goes on;
what it does to the customers is what the witnesses see.
"""

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

from aiohttp import ClientError, ClientSession, TCPConnector
from aiokafka.errors import KafkaError

from chaos.traffic import SEND, Bot, Traffic
from hostile import payloads, sockets
from hostile.floods import verifications
from hostile.payloads import Json, public_journal_id, status, value_of, webhook
from hostile.tenants import ATTACKER, CHATBOTS, Stage, Tenant
from hostile.topics import write
from testbed.client import StepFailed
from testbed.plan import PATHS, PREFIX, SERVICES
from testbed.system import System

log = logging.getLogger(__name__)

NUMBER: Final = "106540352270001"
TENANTS: Final = {ATTACKER: CHATBOTS[ATTACKER]}
_FACTS: Final = 100
_SLOW_EACH: Final = 2
_PAUSES: Final[Mapping[str, float]] = {
    # Mean seconds between two attacks of a kind.
    "forged statuses": 0.5,
    "calls that name": 1.0,
    "bad metadata": 0.5,
    "garbage records": 2.0,
    "hostile bodies": 5.0,
    "batches with errors": 5.0,
    "slow connections": 1.0,
    "verifications": 5.0,
}


class Attacker:
    """Attacks until `stop`. `done` counts attacks by kind, including those that reached no service."""

    def __init__(self, system: System, session: ClientSession, traffic: Traffic, rng: random.Random) -> None:
        self._stage = Stage(system, session)
        self._stage.routes = {
            f"{PREFIX}{path}": [system.urls[name] for name in system.names(service)]
            for service, paths in PATHS.items()
            for path in paths
        }
        self._system, self._traffic, self._rng = system, traffic, rng
        self._numbers = itertools.count()
        self._stop = asyncio.Event()
        self._seen: list[Json] = []
        self._tenant: Tenant
        self.done: dict[str, int] = dict.fromkeys(_PAUSES, 0)

    async def begin(self) -> None:
        """Onboard the account, by the operator."""
        self._tenant = await self._stage.onboard(ATTACKER, NUMBER)

    async def run(self) -> None:
        """Run all attacks concurrently."""
        deeds: Mapping[str, Callable[[], Awaitable[object]]] = {
            "forged statuses": self._forge,
            "calls that name": self._name,
            "bad metadata": self._bad_metadata,
            "garbage records": self._garbage,
            "hostile bodies": self._bodies,
            "batches with errors": self._batch,
            "slow connections": self._slow,
            "verifications": lambda: verifications(self._stage, 20),
        }
        async with asyncio.TaskGroup() as group:
            for name, deed in deeds.items():
                group.create_task(self._again(name, deed))

    def stop(self) -> None:
        """Stop after the running attacks."""
        self._stop.set()

    async def _again(self, name: str, deed: Callable[[], Awaitable[object]]) -> None:
        while await self._pause(_PAUSES[name]):
            self.done[name] += 1
            try:
                await deed()
            except (ClientError, KafkaError, StepFailed, OSError, TimeoutError, LookupError, ValueError) as error:
                log.info("an attack got no answer: %s: %r", name, error)

    async def _pause(self, mean: float) -> bool:
        try:
            async with asyncio.timeout(self._rng.uniform(0.5, 1.5) * mean):
                await self._stop.wait()
        except TimeoutError:
            return True
        return False

    async def _forge(self) -> None:
        """Statuses on its own number that name sends of others, by ids that any tenant can compute and by wamids of Meta."""
        callbacks = [*self._computed()]
        await self._look()
        wamids = [f"wamid.mallory-{next(self._numbers)}" for _ in callbacks]
        for entry in self._rng.sample(self._seen, min(3, len(self._seen))):
            callbacks += [str(entry["callbackData"]), ""]
            wamids += [f"wamid.mallory-{next(self._numbers)}", str(entry["wamid"])]
        told = [
            status(wamid, self._rng.choice(payloads.STATUSES), self._phone(), int(time.time()), callback or None)
            for wamid, callback in zip(wamids, callbacks, strict=True)
        ]
        await self._stage.deliver(webhook(self._tenant.waba, value_of(NUMBER, statuses=told)))

    def _computed(self) -> Iterator[str]:
        """Journal ids of the latest sends, and of the next ones, which can be computed before they are requested."""
        for sent in self._traffic.directs[-6:]:
            index = sent.message_id.rpartition("-")[0]
            for message_id in (sent.message_id, f"{index}-{sent.order + 1}"):
                yield f"wce:{public_journal_id(sent.chatbot_id, message_id)}"

    async def _look(self) -> None:
        """Meta's data of the others' sends, as if the attacker had seen their callback data."""
        after = str(self._seen[-1]["seq"]) if self._seen else "0"
        fresh = await self._stage.client.received(after=after)
        self._seen = [*self._seen, *(entry for entry in fresh if entry["phoneNumberId"] != NUMBER)][-50:]

    async def _name(self) -> None:
        """Calls about another tenant's sends and conversations: to look, to cancel, to send as them, to take over."""
        bot: Bot = self._rng.choice(self._traffic.bots)
        sends = [sent for sent in self._traffic.directs[-20:] if sent.chatbot_id == bot.chatbot_id]
        name = sends[-1].message_id if sends else "direct-0-0"
        of_them, key = f"chatbotId={bot.chatbot_id}", self._tenant.key
        secrets: Json = {"accessToken": "fake-token", "webhookVerifyToken": "fake-verify-token"}
        taken = {"chatbotId": CHATBOTS[ATTACKER][1], "phoneNumberId": bot.phone_number_id, **secrets}
        calls: list[tuple[str, str, Any]] = [
            ("DELETE", f"/send/{name}?{of_them}", None),
            ("GET", f"/messages/{name}?{of_them}", None),
            ("POST", "/send", payloads.send(bot.chatbot_id, self._phone(), f"forged-{next(self._numbers)}")),
            ("POST", "/account", {**taken, "chatbotId": bot.chatbot_id}),
            ("POST", f"/account/{bot.chatbot_id}/deactivate", None),
        ]
        method, path, body = self._rng.choice(calls)
        await self._stage.call(method, path, key, body)

    async def _bad_metadata(self) -> None:
        kinds = [*payloads.UNSTORABLE.values(), *payloads.REFERENCES.values()]
        body = payloads.send(
            self._tenant.chatbot_id, self._phone(), f"bad-{next(self._numbers)}", metadata=self._rng.choice(kinds)
        )
        way = self._rng.randrange(3)
        if way == 0:
            await self._stage.call("POST", "/send", self._tenant.key, body)
        elif way == 1:
            await self._stage.call(
                "POST", "/send/batch", self._tenant.key, payloads.batch(self._tenant.chatbot_id, [body])
            )
        else:
            await write(self._stage.kafka, SEND, [(self._tenant.chatbot_id.encode(), payloads.compact(body), ())])

    async def _garbage(self) -> None:
        """Ten records at a time, also with the keys of others; more than 250 a minute."""
        keys = [None, *(bot.chatbot_id.encode() for bot in self._traffic.bots), self._tenant.chatbot_id.encode()]
        records = [(self._rng.choice(keys), value, ()) for value in payloads.garbage(10)]
        await write(self._stage.kafka, SEND, records)

    async def _bodies(self) -> None:
        body = self._rng.choice(
            [
                payloads.many_entries(100_000),
                payloads.long_account(500_000, _FACTS, NUMBER),
                payloads.long_number(500_000, _FACTS),
                b"[" * 300_000,
            ]
        )
        await self._stage.deliver(body, signature=self._rng.choice([None, "sha256=" + "0" * 64]))

    async def _batch(self) -> None:
        body = payloads.wrong_fields(200, 100, self._tenant.chatbot_id)
        await self._stage.call("POST", "/send/batch", self._tenant.key, body)

    async def _slow(self) -> None:
        names = [name for service in SERVICES for name in self._system.names(service)]
        addresses = [sockets.Address.of(self._system.urls[name]) for name in names]
        await sockets.slow(addresses, sockets.SLOW, each=_SLOW_EACH, seconds=10.0)

    def _phone(self) -> str:
        """A phone of another tenant's customer, or an unused one."""
        return f"4915{self._rng.randrange(2 * self._traffic.customers):08d}"


def own_session() -> ClientSession:
    """Its own connections, so that its slow calls do not delay the customers."""
    return ClientSession(connector=TCPConnector(limit=100))
