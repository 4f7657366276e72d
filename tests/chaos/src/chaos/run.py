"""One run: start everything, run traffic and faults, wait until all work is done, ask the witnesses."""

import asyncio
import logging
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aiohttp import ClientSession

from chaos import broken_builds, rolling
from chaos.attacker import NUMBER, TENANTS, Attacker, own_session
from chaos.evidence import witness
from chaos.evidence.facts import Scene, collect
from chaos.evidence.verdict import Facts, judge
from chaos.evolving import Evolution
from chaos.injector import FaultInjector
from chaos.merging.scene import Merge
from chaos.options import EMULATOR_OPTIONS, REPLICAS, SETTINGS, Options
from chaos.plan import Fault, Profile, plan
from chaos.rolling import Rolled
from chaos.traffic import Bot, Traffic
from hostile.machine import Machine
from local_stack import LocalStack
from testbed.client import Client
from testbed.plan import Choices
from testbed.system import System

log = logging.getLogger(__name__)

Json = dict[str, Any]

_POLL_SECONDS: Final = 1.0
_BEFORE_SECONDS: Final = 15.0
_MOVED_A_SECOND: Final = 200
"""So many messages of a merge move at least, on a busy machine and with all the kills."""


@dataclass
class Outcome:
    """The data for the report."""

    facts: Facts
    faults: dict[str, int]
    struck: dict[str, int]
    disturbed: list[tuple[float, float]]
    recoveries: dict[str, list[float]]
    calls: list[Json]
    doubts: Counter[str]
    seconds: dict[str, float] = field(default_factory=dict)
    rolled: Rolled | None = None
    attacks: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether no promise was broken, every process that was asked to end did so by itself, and stored data are as they should be."""
        graceful = self.rolled is None or all(one.graceful for one in self.rolled.replaced)
        evolved = self.rolled is None or self.rolled.evolved is None or not self.rolled.evolved.failures
        return judge(self.facts).ok and graceful and evolved


async def run(options: Options, say: Callable[[str], None]) -> Outcome:
    """Do one run. Raises `StepFailed`, `SystemFailed` or the local stack's errors when the system cannot be started."""
    profile = Profile(REPLICAS, options.kafka_nodes, options.mongo_nodes, options.kinds)
    faults = [] if options.rolling else plan(options.seed, options.faults, profile)
    database = f"chaos_{uuid.uuid4().hex[:8]}"
    settings = {
        name: {**SETTINGS.get(name, {}), "MONGODB_DATABASE": database}
        for name in ("conversation", "sender", "accounts")
    }
    stack = LocalStack(kafka_nodes=options.kafka_nodes, mongo_nodes=options.mongo_nodes)
    say(f"starting: Kafka x {options.kafka_nodes}, MongoDB x {options.mongo_nodes}, two of each service")
    began = time.monotonic()
    with stack:
        system = System(
            stack=stack,
            replication=min(3, options.kafka_nodes),
            say=say,
            choices=Choices(
                extra=settings,
                emulator_options=EMULATOR_OPTIONS,
                replicas=rolling.SPARES if options.rolling else REPLICAS,
                idle=[rolling.spare_of(service) for service in rolling.SPARES] if options.rolling else (),
                commands=_commands(options),
                gateway_seconds=5.0,
                tenants=TENANTS,
            ),
        )
        with system:
            started = time.monotonic()
            work = f"{len(faults)} faults in {faults[-1].at_s:.0f} s" if faults else "a rolling update"
            say(f"started after {started - began:.0f} s; {work}")
            async with ClientSession() as session, own_session() as attackers:
                client = Client(session, system.urls, system.secret)
                one = _Run(options, system, client, database, say, attackers)
                outcome = await one.go(faults)
            outcome.seconds["start"] = started - began
            system.keep_logs = not outcome.ok
            return outcome


def _commands(options: Options) -> dict[str, list[str]]:
    if options.build:
        return broken_builds.command(options.build)
    return rolling.commands_of(options.before) if options.rolling and options.before else {}


class _Run:
    def __init__(
        self,
        options: Options,
        system: System,
        client: Client,
        database: str,
        say: Callable[[str], None],
        attackers: ClientSession,
    ) -> None:
        self.attackers = attackers
        self.options = options
        self.system = system
        self.client = client
        self.database = database
        self.say = say
        self.marker = f"quokka{options.seed}"
        self.kafka = system.stack.kafka_bootstrap_servers
        self.injector = FaultInjector(system, client, always=options.always)
        self.calls: list[Json] = []
        self.tokens: list[str] = []
        self.traffic: Traffic
        self.attacker: Attacker | None = None
        self.merge: Merge | None = None

    async def go(self, faults: list[Fault]) -> Outcome:
        bots = [await self._onboard(index) for index in range(3)]
        options = self.options
        self.traffic = Traffic(
            self.client, bots, options.customers, options.rate, self.marker, self.kafka, random.Random(options.seed)
        )
        await self.injector.begin()
        await self._prepare_merge(bots[0])
        began = time.monotonic()
        watching = asyncio.create_task(self._watch_calls())
        writing = asyncio.create_task(self.traffic.run())
        attacking = await self._begin_attack()
        merging = [asyncio.create_task(self.merge.run(self.injector))] if self.merge else []
        rolled = await self._roll() if options.rolling else None
        await self._do(faults, began)
        await self.injector.calm()
        if self.merge is not None:
            await self.merge.have_moved(options.quiet_seconds + options.merge / _MOVED_A_SECOND)
            self.merge.stop()
        await asyncio.gather(*merging)
        self.traffic.stop()
        await writing
        if self.attacker is not None:
            self.attacker.stop()
        await asyncio.gather(*attacking)
        written = time.monotonic()
        self.say(f"{self.traffic.asked} messages written; waiting until all work is done")
        quiet = await self._quiet()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await self._take_calls()
        silent = time.monotonic()
        facts, doubts = await self._facts()
        self.say(f"{'all work done' if quiet else 'work NOT done'} after {silent - written:.0f} s")
        seconds = {"faults": written - began, "until quiet": silent - written, "checking": time.monotonic() - silent}
        injector = self.injector
        if rolled is not None:
            rolled = replace(
                rolled,
                before=rolling.answered(facts, 0.0, rolled.began_ms),
                during=rolling.answered(facts, rolled.began_ms, float("inf")),
            )
        return Outcome(
            facts,
            injector.done,
            injector.struck,
            injector.disturbed,
            injector.recoveries,
            self.calls,
            doubts,
            seconds,
            rolled,
            self.attacker.done if self.attacker else {},
        )

    async def _prepare_merge(self, bot: Bot) -> None:
        options = self.options
        if options.merge:
            uri, number = self.system.stack.mongodb_uri, options.merge
            self.merge = Merge(self.client, uri, self.database, bot, self.marker, number, options.merge_kills)
            await self.merge.prepare(self.say)

    async def _begin_attack(self) -> list[asyncio.Task[None]]:
        """The attacking tenant, active from before the first fault until the customers stop writing."""
        if not self.options.attacker:
            return []
        rng = random.Random(self.options.seed)
        self.attacker = Attacker(self.system, self.attackers, self.traffic, rng)
        await self.attacker.begin()
        return [asyncio.create_task(self.attacker.run())]

    @property
    def _chatbots(self) -> set[str]:
        return {bot.chatbot_id for bot in self.traffic.bots}

    async def _roll(self) -> Rolled:
        await asyncio.sleep(_BEFORE_SECONDS)
        first, began_ms = await self._webhook_posts(), time.time() * 1000
        evolution = Evolution(self.system.stack.mongodb_uri, self.database, self.say)
        await evolution.begin()
        replaced = await rolling.replace_all(self.system, self.say, evolution.midway)
        await evolution.finish()
        services = await self._webhook_posts()
        await rolling.restart_stores(self.system, self.say)
        posts = Counter({name: count - first[name] for name, count in services.items()})
        return Rolled(replaced, posts["webhook_posts"], posts["webhook_refused"], began_ms, evolved=evolution.result)

    async def _webhook_posts(self) -> Counter[str]:
        return Counter((await self.client.control("GET", "health"))["counters"])

    async def _onboard(self, index: int) -> Bot:
        bot = Bot(f"chaos-{index}", f"1065403522{index:05d}")
        account = {"phoneNumberId": bot.phone_number_id, "wabaId": f"20000000000000{index}"}
        token = (await self.client.control("POST", "businesses", account))["token"]
        self.tokens.append(token)
        await self.client.api(
            "POST",
            "/account",
            {
                "chatbotId": bot.chatbot_id,
                "phoneNumberId": bot.phone_number_id,
                "accessToken": token,
                "webhookVerifyToken": f"verify-{bot.chatbot_id}",
            },
        )
        return bot

    async def _do(self, faults: list[Fault], began: float) -> None:
        running: set[asyncio.Task[None]] = set()
        for fault in faults:
            await asyncio.sleep(max(0.0, began + fault.at_s - time.monotonic()))
            running = {task for task in running if not _ended(task)}
            running.add(asyncio.create_task(self.injector.do(fault), name=f"fault {fault.number}"))
            if fault.number % 25 == 0:
                counters = (await self.client.control("GET", "health"))["counters"]
                replies, asked = counters.get("accepted", 0), self.traffic.asked + len(self.traffic.directs)
                self.say(
                    f"fault {fault.number} of {len(faults)}: {asked} messages, {replies} replies and sends received"
                )
        await asyncio.gather(*running)

    async def _quiet(self) -> bool:
        """Wait until everything has ended; False when it did not in time (the verdict will say what is open)."""
        deadline = time.monotonic() + self.options.quiet_seconds
        while time.monotonic() < deadline:
            if await self._is_quiet():
                return True
            await asyncio.sleep(_POLL_SECONDS)
        return False

    async def _is_quiet(self) -> bool:
        health = await self.client.control("GET", "health")
        others = len(await self.client.received(phoneNumberId=NUMBER)) if self.attacker else 0
        wanted = health["counters"].get("inbound", 0) + len(self.traffic.directs) + others
        if any(health["pending"].values()) or health["counters"].get("accepted", 0) < wanted:
            return False
        requested = await witness.requested_sends(self.kafka, self._chatbots)
        ends, _ = await witness.ended_sends(self.kafka, self._chatbots)
        statuses = await witness.final_statuses(self.system.stack.mongodb_uri, self.database, requested)
        return requested <= ends.keys() and all(statuses.get(journal) == "read" for journal in requested)

    async def _watch_calls(self) -> None:
        """Collect the emulator's calls before its ring forgets them."""
        while True:
            await asyncio.sleep(10 * _POLL_SECONDS)
            await self._take_calls()

    async def _take_calls(self) -> None:
        after = str(int(self.calls[-1]["atMs"])) if self.calls else "0"
        found = await self.client.control("GET", "calls", afterMs=after, limit="50000")
        self.calls.extend(found["calls"])

    async def _facts(self) -> tuple[Facts, Counter[str]]:
        secret = self.system.secret
        scene = Scene(
            self.system,
            self.client,
            self.database,
            chatbots=self._chatbots,
            numbers={bot.phone_number_id for bot in self.traffic.bots},
            directs=self.traffic.directs,
            secrets=[self.marker, *self.tokens, secret.app_secret, secret.internal_key],
        )
        facts, doubts = await collect(scene)
        if self.merge is not None:
            await self.merge.finish()
            facts.merged = self.merge.result
        facts.halts = [*facts.halts, *await self._unready()]
        return facts, doubts

    async def _unready(self) -> list[str]:
        """Processes that are not ready at the end."""
        names = [name for service in REPLICAS | {"accounts": 1} for name in self.system.names(service)]
        alive = [name for name in names if self.system.alive(name)]
        return [f"{name} is not ready" for name in await Machine(self.system, names=alive).unready()]


def _ended(task: "asyncio.Task[None]") -> bool:
    if task.done():
        task.result()
    return task.done()
