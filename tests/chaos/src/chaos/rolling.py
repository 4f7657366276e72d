"""A rolling update under traffic: every process replaced, as Kubernetes does it with `maxSurge: 1, maxUnavailable: 0`.

For each service, one replica at a time: a new process is started, and when it says that it is ready an old one is asked
to end (SIGTERM) and has to do so by itself, with exit code 0, within its grace period. Then the brokers and the mongods
are restarted, one after the other.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaos.evidence.verdict import Facts
from chaos.evolving import Evolved
from local_stack.cluster import Cluster
from testbed.system import System

SPARES: Final = {"ingress": 3, "conversation": 3, "sender": 3, "accounts": 2}
"""Replicas, including the extra one of a rolling update."""

GRACE_SECONDS: Final = 45.0
"""`terminationGracePeriodSeconds` of the manifests, without the wait of `preStop`."""

_MIDWAY: Final = "conversation"
"""When it has been replaced, there are an old and a new process of conversation, and old ones of sender and accounts."""

_READY_SECONDS: Final = 90.0
_SETTLE_SECONDS: Final = 5.0  # `minReadySeconds` of the manifests


@dataclass(frozen=True, slots=True)
class Replaced:
    """One replaced process: how long the new one took to be ready, how long the old one took to end, and its exit code."""

    name: str
    ready_seconds: float
    end_seconds: float
    code: int | None

    @property
    def graceful(self) -> bool:
        """Whether it ended by itself."""
        return self.code == 0


@dataclass(frozen=True, slots=True)
class Answered:
    """How long customers waited for replies, in ms, and when they had written."""

    count: int
    p50: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True)
class Rolled:
    """The result of a rolling update: webhooks during it, and those that were not answered with 200."""

    replaced: Sequence[Replaced]
    posts: int
    refused: int
    began_ms: float
    before: Answered | None = None
    during: Answered | None = None
    evolved: Evolved | None = None


def commands_of(release: Path) -> dict[str, list[str]]:
    """The commands of the release that is replaced: a source tree in which `make setup` was run."""
    return {service: [str(release / ".venv/bin/python"), "-m", service] for service in SPARES}


def spare_of(service: str) -> str:
    """The replica that runs only during an update."""
    return f"{service}-{SPARES[service]}"


def order_of(names: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """(the process to start, the one to end then), by service: the spare one first and last."""
    for replicas in names.values():
        *standing, spare = replicas
        free = spare
        for name in standing:
            yield free, name
            free = name
        yield free, spare


async def replace_all(
    system: System, say: Callable[[str], None], midway: Callable[[], Awaitable[None]]
) -> list[Replaced]:
    """Replace every process of our services by one of this tree; `midway` is waited for beside old and new ones."""
    replaced = []
    for new, old in order_of({service: system.names(service) for service in SPARES}):
        began = time.monotonic()
        service = next(service for service in SPARES if new in system.names(service))
        await asyncio.to_thread(system.spawn, new, [sys.executable, "-m", service])
        await asyncio.to_thread(system.wait_ready, new, _READY_SECONDS)
        ready = time.monotonic()
        await asyncio.sleep(_SETTLE_SECONDS)
        ending = time.monotonic()
        code = await asyncio.to_thread(system.terminate, old, GRACE_SECONDS)
        done = Replaced(old, ready - began, time.monotonic() - ending, code)
        say(f"{done.name} replaced: ready in {done.ready_seconds:.1f} s, ended in {done.end_seconds:.1f} s ({code})")
        replaced.append(done)
        if old == _MIDWAY:
            await midway()
    return replaced


async def restart_stores(system: System, say: Callable[[str], None]) -> None:
    """Restart every broker and every mongod, one after another."""
    for name, cluster in {"kafka": system.stack.kafka, "mongo": system.stack.mongo}.items():
        for number in _in_order(cluster):
            began = time.monotonic()
            await asyncio.to_thread(cluster.stop_node, number)
            await asyncio.to_thread(cluster.restart, number)
            say(f"{name}-{number} restarted in {time.monotonic() - began:.1f} s")
            await asyncio.sleep(_SETTLE_SECONDS)


def _in_order(cluster: Cluster) -> list[int]:
    return sorted(cluster.nodes)


def answered(facts: Facts, since_ms: float, until_ms: float) -> Answered:
    """The replies to messages that customers wrote within a span of time."""
    asked = {message.wamid: message.at_ms for message in facts.asked if since_ms <= message.at_ms < until_ms}
    waits = sorted(reply.at_ms - asked[reply.to_wamid] for reply in facts.replies if reply.to_wamid in asked)
    if not waits:
        return Answered(0, 0.0, 0.0, 0.0)
    return Answered(len(waits), waits[len(waits) // 2], waits[min(len(waits) - 1, int(len(waits) * 0.99))], waits[-1])
