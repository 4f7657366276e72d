"""Injects the faults of a plan: into processes, into Kafka, into MongoDB, and at Meta."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from chaos.plan import Fault
from local_stack.cluster import Cluster
from testbed.client import Client
from testbed.system import System

log = logging.getLogger(__name__)

_READY_SECONDS: Final = 90.0
_LOSE_SECONDS: Final = 2.0
"""Seconds before and after the start of an outage in which half of all answers are lost."""
STATUSES: Final = ("sent", "delivered", "read")


class FaultInjector:
    """Does one fault after another, some side by side. `disturbed` has the spans (ms of the wall clock) of those that
    stop something; `recoveries` the seconds from the end of each until what was hit was ready again, by kind."""

    def __init__(self, system: System, client: Client, always: Sequence[Mapping[str, Any]] = ()) -> None:
        self._system = system
        self._always = always
        self._client = client
        self._storms: dict[int, dict[str, Any]] = {}
        self._rules = asyncio.Lock()
        self._locks: dict[str, asyncio.Lock] = {}
        self.done: dict[str, int] = {}
        self.disturbed: list[tuple[float, float]] = []
        self.recoveries: dict[str, list[float]] = {}
        self.struck: dict[str, int] = {}

    async def begin(self) -> None:
        """Set the rules of the emulator's fault plan that are active during the whole run."""
        if self._always:
            self._storms[0] = {"rules": self._always}
            await self._set_rules()

    async def do(self, fault: Fault) -> None:
        """Inject the fault, wait, undo it, and return when its target is ready again."""
        if fault.target == "meta":
            await self._do(fault)
            return
        # On a slow machine the target may not be back yet when the plan hits it again.
        async with self._locks.setdefault(fault.party, asyncio.Lock()):
            await self._do(fault)

    async def _do(self, fault: Fault) -> None:
        log.info("fault %d: %s %s for %.1f s %s", fault.number, fault.kind, fault.target, fault.seconds, fault.detail)
        began = time.time()
        await self._injections()[fault.kind](fault)
        self.done[self._name(fault)] = self.done.get(self._name(fault), 0) + 1
        if fault.target != "meta":
            ended = time.time()
            self.disturbed.append((began * 1000, ended * 1000))
            self.recoveries.setdefault(self._name(fault), []).append(max(0.0, ended - began - fault.seconds))

    async def calm(self) -> None:
        """End all storms."""
        async with self._rules:
            self._storms.clear()
            await self._set_rules()

    def _name(self, fault: Fault) -> str:
        if fault.target == "meta":
            return f"storm: {fault.kind}"
        head = fault.target.split("-")[0] if not fault.target.startswith("ai") else fault.target
        return f"{fault.kind}: {head}"

    def _injections(self) -> Mapping[str, Callable[[Fault], Awaitable[None]]]:
        injections = {
            "kill": self._kill,
            "kill-all": self._kill_all,
            "pause": self._pause,
            "scale": self._scale,
            "stop": self._stop,
        }
        return (
            injections
            | {"outage": self._outage}
            | dict.fromkeys(
                (
                    "lose_answer",
                    "reset",
                    "http_5xx",
                    "error",
                    "throttle",
                    "slow",
                    "duplicate",
                    "reorder",
                    "batch",
                    "delay",
                ),
                self._storm,
            )
        )

    async def _kill(self, fault: Fault) -> None:
        cluster, number = await self._node(fault)
        if cluster is not None:
            await asyncio.to_thread(cluster.kill, number)
            await asyncio.sleep(fault.seconds)
            await asyncio.to_thread(cluster.restart, number)
            return
        await asyncio.to_thread(self._system.kill, fault.target)
        await asyncio.sleep(fault.seconds)
        await self._start(fault.target)

    async def _kill_all(self, fault: Fault) -> None:
        """Kill -9 of every process of a service, so that it hits the one that does a job."""
        names = [name for name in self._system.names(fault.target) if self._system.alive(name)]
        for name in names:
            await asyncio.to_thread(self._system.kill, name)
        await asyncio.sleep(fault.seconds)
        for name in names:
            await self._start(name)

    async def _stop(self, fault: Fault) -> None:
        cluster, number = await self._node(fault)
        assert cluster is not None  # only nodes are stopped gently
        await asyncio.to_thread(cluster.stop_node, number)
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(cluster.restart, number)

    async def _pause(self, fault: Fault) -> None:
        cluster, number = await self._node(fault)
        if cluster is not None:
            cluster.pause(number)
            await asyncio.sleep(fault.seconds)
            cluster.resume(number)
            return
        self._system.pause(fault.target)
        await asyncio.sleep(fault.seconds)
        self._system.resume(fault.target)
        await asyncio.to_thread(self._system.wait_ready, fault.target, _READY_SECONDS)

    async def _scale(self, fault: Fault) -> None:
        await asyncio.to_thread(self._system.terminate, fault.target)
        await asyncio.sleep(fault.seconds)
        await self._start(fault.target)

    async def _outage(self, fault: Fault) -> None:
        """Stop one part of the path of statuses completely, and lose answers at the start."""
        await self._set_storm(-fault.number, [{"fault": {"kind": "lose_answer"}, "match": {"probability": 0.5}}])
        await asyncio.sleep(_LOSE_SECONDS)
        undo = await self._take_away(fault.target)
        await asyncio.sleep(_LOSE_SECONDS)
        await self._set_storm(-fault.number, None)
        await asyncio.sleep(fault.seconds - _LOSE_SECONDS)
        await undo()

    async def _take_away(self, target: str) -> Callable[[], Awaitable[Any]]:
        """Stop the part. Returns a function that restores it."""
        system, stack = self._system, self._system.stack
        if target == "secret":
            await self._client.control("POST", "config", {"appSecret": "fake-secret-of-another-app"})
            return partial(self._client.control, "POST", "config", {"appSecret": system.secret.app_secret})
        if target in ("kafka", "mongo"):
            cluster = stack.kafka if target == "kafka" else stack.mongo
            for number in cluster.nodes:
                cluster.pause(number)
            return partial(_resume, cluster)
        names = system.names(target)
        for name in names:
            if target == "ingress":
                await asyncio.to_thread(system.kill, name)
            else:
                system.pause(name)
        return partial(self._bring_back, target, names)

    async def _bring_back(self, target: str, names: Sequence[str]) -> None:
        for name in names:
            if target == "ingress":
                await asyncio.to_thread(self._system.spawn, name)
            else:
                self._system.resume(name)
        for name in names:
            await asyncio.to_thread(self._system.wait_ready, name, _READY_SECONDS)

    async def _start(self, name: str) -> None:
        await asyncio.to_thread(self._system.spawn, name)
        await asyncio.to_thread(self._system.wait_ready, name, _READY_SECONDS)

    async def _node(self, fault: Fault) -> tuple[Cluster | None, int]:
        stack = self._system.stack
        if fault.target.startswith("kafka"):
            return stack.kafka, int(fault.target.split("-")[1])
        if not fault.target.startswith("mongo"):
            return None, 0
        primary = await asyncio.to_thread(stack.mongo.primary, 60.0)
        if fault.target == "mongo-primary" or len(stack.mongo.nodes) == 1:
            return stack.mongo, primary
        return stack.mongo, next(number for number in stack.mongo.nodes if number != primary)

    async def _storm(self, fault: Fault) -> None:
        detail = dict(fault.detail)
        probability = detail.pop("probability", 0.2)
        rule: dict[str, Any] = {"fault": {"kind": fault.kind, **detail}, "match": {"probability": probability}}
        rules = [rule]
        if fault.kind == "reorder":
            # Meta's order of a customer's messages is the one that is promised: only statuses overtake one another.
            rules = [{**rule, "match": {**rule["match"], "type": status}} for status in STATUSES]
        await self._set_storm(fault.number, rules)
        await asyncio.sleep(fault.seconds)
        await self._set_storm(fault.number, None)

    async def _set_storm(self, number: int, rules: list[dict[str, Any]] | None) -> None:
        """Start a storm; None ends it."""
        async with self._rules:
            if rules is None:
                self._storms.pop(number, None)
            else:
                self._storms[number] = {"rules": rules}
            await self._set_rules()

    async def _set_rules(self) -> None:
        """Replace the emulator's plan by the active storms, and count the hits of the last plan."""
        with contextlib.suppress(OSError):
            for rule in (await self._client.control("GET", "faults"))["rules"]:
                kind = rule["fault"]["kind"]
                self.struck[kind] = self.struck.get(kind, 0) + rule["fired"]
        rules = [rule for storm in self._storms.values() for rule in storm["rules"]]
        await self._client.control("POST", "faults", {"rules": rules, "seed": len(self.done) + sum(self._storms)})


async def _resume(cluster: Cluster) -> None:
    for number in cluster.nodes:
        cluster.resume(number)
