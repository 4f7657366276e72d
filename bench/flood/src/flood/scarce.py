"""What a plan is worth: tenants of all plans want more calls than there are."""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from common.contracts.ids import journal_id, journal_id_in
from flood.connected import connected
from flood.measurements import Served, Waits
from flood.tenants import SEND, Quiet, message, quiet_tenants
from testbed.client import Client, eventually
from testbed.plan import Choices
from testbed.system import PARTITIONS, System

CALLS: Final = 8
"""Calls at one time (`SENDER_MAX_IN_FLIGHT`). Each takes `ANSWER_MS` at Meta and some more here: about 60 a second."""

ANSWER_MS: Final = 100
EACH: Final = 15.0
"""Messages per second of each tenant. Two tenants of three plans want half as much again as there is.

Two, because one number has at most half of the calls; one of the two in a partition with those of the other plans."""


async def measure_scarce(plans: Sequence[str], seconds: float, say: Callable[[str], None]) -> Mapping[str, Served]:
    """What each plan gets while calls are scarce. Starts and stops everything."""
    choices = Choices(extra={"sender": {"SENDER_MAX_IN_FLIGHT": str(CALLS)}}, idle=("ai_responder",))
    with System(choices=choices, say=say) as system:
        async with connected(system) as (client, producer):
            return await _run(client, producer, plans, seconds, say)


async def _run(
    client: Client, producer: AIOKafkaProducer, plans: Sequence[str], seconds: float, say: Callable[[str], None]
) -> Mapping[str, Served]:
    tenants = [*quiet_tenants(plans, PARTITIONS), *_elsewhere(plans)]
    for tenant in tenants:
        await client.onboard(tenant.chatbot_id, tenant.number, plan=tenant.plan)
    await _write(producer, tenants, 3.0, every=1.0)  # warming up
    for tenant in tenants:
        await _arrivals(client, tenant)
        tenant.sent.clear()
    rule = {"match": {}, "fault": {"kind": "slow", "afterMs": ANSWER_MS}}
    await client.control("POST", "faults", {"rules": [rule]})
    say(f"{len(tenants)} tenants write {EACH:g} messages a second each, with {CALLS} calls at one time …")
    began = time.time() * 1000
    await _write(producer, tenants, seconds, every=1 / EACH)
    ended = time.time() * 1000
    found: dict[str, list[tuple[float, float]]] = {plan: [] for plan in plans}
    for tenant in tenants:
        arrived = await _arrivals(client, tenant)
        found[tenant.plan] += [(at, arrived[key]) for key, at in tenant.sent.items()]
    return {plan: served(times, began, ended) for plan, times in found.items()}


def _elsewhere(plans: Sequence[str]) -> list[Quiet]:
    """One more tenant of each plan, in whatever partition its name leads to."""
    return [Quiet(f"other-{plan}", plan, f"10654035221{index:04d}") for index, plan in enumerate(plans)]


def served(times: Sequence[tuple[float, float]], began: float, ended: float) -> Served:
    """From (enqueued, accepted) in ms. The rate is that of the time in which all plans wanted more."""
    middle = began + (ended - began) / 4  # when those that get little have a queue
    accepted = sum(middle <= arrived < ended for _, arrived in times)
    return Served(Waits.of([arrived - at for at, arrived in times]), 1000 * accepted / (ended - middle))


async def _write(producer: AIOKafkaProducer, tenants: Sequence[Quiet], seconds: float, every: float) -> None:
    """Each tenant writes one message every `every` seconds, each to another person."""
    began, pause = time.monotonic(), every / len(tenants)
    pending: list[asyncio.Future[Any]] = []
    for turn, tenant in enumerate(itertools.islice(itertools.cycle(tenants), round(seconds / pause))):
        await asyncio.sleep(max(0.0, began + turn * pause - time.monotonic()))
        message_id = f"scarce-{time.time_ns()}"
        value = message(tenant.chatbot_id, message_id, f"+4916{time.time_ns() // 1000 % 10**9:09d}", "conversation")
        tenant.sent[journal_id(tenant.chatbot_id, message_id)] = time.time() * 1000
        pending.append(await producer.send(SEND, value, key=tenant.chatbot_id.encode()))
    await asyncio.gather(*pending)


async def _arrivals(client: Client, tenant: Quiet) -> Mapping[str, float]:
    """When Meta accepted each message of a tenant, in ms. It waits for the last one."""

    async def found() -> dict[str, float] | None:
        entries = await client.received(phoneNumberId=tenant.number)
        there = {journal_id_in(entry["callbackData"]): float(entry["atMs"]) for entry in entries}
        return there if tenant.sent.keys() <= there.keys() else None

    arrived: Mapping[str, float] = await eventually(f"all of {tenant.chatbot_id} arrive", found, seconds=300, pause=0.5)
    return arrived
