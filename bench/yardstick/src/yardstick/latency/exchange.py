"""Whole exchanges: a customer's webhook, the bot's reply, the call to Meta, and the statuses of the reply.

All services run as processes, with the example bot and a fake Meta, which tells statuses as Meta does. Open loop: every
webhook is due at an instant of its own, and its exchange is as late as the call to Meta comes after that.
"""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from common.contracts import topics
from otlp_receiver.app import running_receiver
from otlp_receiver.traces import Traces
from yardstick.latency.stages import Hops, hops_of
from yardstick.load.http_load import Connection, Load, timed_text
from yardstick.load.webhooks import body, request
from yardstick.rig.program import Program, python
from yardstick.rig.rig import Rig, fresh_name
from yardstick.services.conversation import conversation
from yardstick.services.ingress import ingress
from yardstick.services.sender import Graph, account_records, sender

_CUSTOMERS: Final = 4_000
_CONNECTIONS: Final = 32
_LEAD_SECONDS: Final = 0.5
_GRACE_SECONDS: Final = 5.0
_EXPORT_SECONDS: Final = 8.0
_POLL_SECONDS: Final = 0.2
_FOLLOWED_EACH_SECOND: Final = 10.0


@dataclass(frozen=True, slots=True)
class Exchanges:
    """What came of so many exchanges a second: how late each was in ms, how many never came, and their hops.

    `shares` are of a core, by process.
    """

    rate: float
    late_ms: Sequence[float]
    missing: int
    hops: Sequence[Hops]
    shares: dict[str, float]


@dataclass(slots=True)
class System:
    """The running services."""

    port: int
    graph: Graph
    http: aiohttp.ClientSession
    traces: Traces
    programs: dict[str, Program]
    _number: int = 0
    _traces: set[str] = field(default_factory=set)

    async def run(self, rate: float, seconds: float, *, followed: float = _FOLLOWED_EACH_SECOND) -> Exchanges:
        """Offer so many exchanges a second for so long, and wait for their ends; so many of them are traced."""
        dues = instants(time.monotonic() + _LEAD_SECONDS, rate, seconds)
        requests = [self._request(due, random.random() * rate < followed) for due in dues]  # noqa: S311  # no secret
        before = (await self.graph.stats(self.http))["count"]
        first, used = time.monotonic(), self._used()
        await _offer(self.port, dues, requests)
        shares = {name: (cpu - used[name]) / (time.monotonic() - first) for name, cpu in self._used().items()}
        late, missing = await self._late(before + len(dues))
        if self._traces:
            await asyncio.sleep(_EXPORT_SECONDS)
        hops = [found for trace in self._traces if (found := hops_of(self.traces.spans(trace)))]
        self._traces.clear()
        return Exchanges(rate, late, missing, hops, shares)

    async def _late(self, total: int) -> tuple[list[float], int]:
        late: list[float] = []
        until = time.monotonic() + _GRACE_SECONDS
        while True:
            told = await self.graph.stats(self.http)
            late += told["lateMs"]
            if told["count"] >= total or time.monotonic() > until:
                return late, max(0, total - told["count"])
            await asyncio.sleep(_POLL_SECONDS)

    def _request(self, due: float, followed: bool) -> bytes:
        self._number += 1
        content = request(body(self._number, customers=_CUSTOMERS, text=timed_text(self._number, due)))
        trace_id = f"{random.getrandbits(128):032x}"
        if followed:
            self._traces.add(trace_id)
        header = f"\r\ntraceparent: 00-{trace_id}-00f067aa0ba902b7-0{int(followed)}\r\n\r\n".encode()
        return content.replace(b"\r\n\r\n", header, 1)

    def _used(self) -> dict[str, float]:
        return {name: program.used().cpu_seconds for name, program in self.programs.items()}


def instants(begin: float, rate: float, seconds: float) -> list[float]:
    """When each exchange is due: one in each interval, at a random moment of its first half.

    Equal distances would meet the same moment of every periodic task.
    """
    return [begin + (number + random.random() / 2) / rate for number in range(int(rate * seconds))]  # noqa: S311  # no secret


async def _offer(port: int, dues: Sequence[float], requests: Sequence[bytes]) -> None:
    loop, load = asyncio.get_running_loop(), Load(requests, 0.0, float("inf"), 1.0)
    for _ in range(_CONNECTIONS):
        load.idle.append((await loop.create_connection(lambda: Connection(load), "127.0.0.1", port))[1])
    for due in dues:
        await asyncio.sleep(due - time.monotonic())
        if load.idle:
            load.idle.pop().send(due)
        else:
            load.waiting.append(due)


@asynccontextmanager
async def system(rig: Rig, interpreter: str = sys.executable) -> AsyncIterator[System]:
    """All services and the bot, ready, run by this interpreter."""
    name = fresh_name()
    await rig.fresh_topics(*topics.ALL)
    await rig.fill(account_records())
    async with running_receiver() as receiver, rig.database(name), aiohttp.ClientSession() as http:
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.base_url}
        endpoint = ingress(rig, interpreter=interpreter, **traced)
        async with endpoint.program:
            graph = Graph(rig, statuses_to=endpoint.port)
            programs = {
                "ingress": endpoint.program,
                "conversation": conversation(rig, name, f"{name}-conversation", interpreter=interpreter, **traced),
                "ai_responder": _bot(rig, f"{name}-bot", interpreter, traced),
                "sender": sender(rig, graph.url, name, f"{name}-sender", interpreter=interpreter, **traced),
            }
            async with (
                graph.program,
                programs["conversation"],
                programs["ai_responder"],
                programs["sender"],
            ):
                yield System(endpoint.port, graph, http, receiver.traces, programs)


def _bot(rig: Rig, group: str, interpreter: str, traced: dict[str, str]) -> Program:
    command = python("ai_responder", interpreter=interpreter)
    return Program("ai_responder", command, rig.settings(AI_GROUP=group, **traced), rig.cores.service)
