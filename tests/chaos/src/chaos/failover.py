"""What callers notice of a change of primary: `python -m chaos.failover` (or `make failover`).

It starts the whole system on three mongods and asks it every 0.2 s. Then it stops the primary with SIGSTOP, later two of
the three members, and lets them go on. It prints for each kind of request how long none succeeded (the stall), the
slowest that succeeded and the slowest that failed. Times are in seconds.
"""

import argparse
import asyncio
import random
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from common.tasks import cancel
from local_stack import LocalStack
from testbed.client import Client, eventually
from testbed.plan import PREFIX, Choices, Credentials
from testbed.system import System

Json = dict[str, Any]

_EVERY_SECONDS: Final = 0.2
_PATIENCE: Final = ClientTimeout(total=30.0)
_CHATBOT: Final = "failover-bot"
_NUMBER: Final = "106540352242922"
_PHONES: Final = [f"4915100000{index:02}" for index in range(10)]
_BEFORE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: when it began, how long it took, whether it succeeded, and whether a secondary answered."""

    began: float
    took: float
    ok: bool
    stale: bool = False

    @property
    def ended(self) -> float:
        """When its answer was there."""
        return self.began + self.took


@dataclass(frozen=True, slots=True)
class Noticed:
    """What callers of one kind noticed, in seconds."""

    kind: str
    asked: int
    failed: int
    stale: int
    stall: float
    slowest: float
    slowest_failure: float

    def __str__(self) -> str:
        return (
            f"{self.kind:<14}{self.asked:>6}{self.failed:>8}{self.stale:>8}{self.stall:>8.1f}{self.slowest:>9.1f}"
            f"{self.slowest_failure:>16.1f}"
        )


HEADER: Final = f"{'':<14}{'asked':>6}{'failed':>8}{'stale':>8}{'stall':>8}{'slowest':>9}{'slowest failure':>16}"


def noticed(kind: str, asked: Sequence[Asked]) -> Noticed:
    """The summary of some requests. Pure."""
    succeeded = sorted(one.ended for one in asked if one.ok)
    first, last = min(one.began for one in asked), max(one.ended for one in asked)
    return Noticed(
        kind,
        len(asked),
        sum(not one.ok for one in asked),
        sum(one.stale for one in asked),
        max(after - before for before, after in pairwise([first, *succeeded, last])),
        max((one.took for one in asked if one.ok), default=0.0),
        max((one.took for one in asked if not one.ok), default=0.0),
    )


class Scene:
    """The system under way, with those who ask it."""

    def __init__(self, system: System, session: ClientSession) -> None:
        self.system = system
        self.session = session
        self.client = Client(session, system.urls, system.secret)
        self.asked: dict[str, list[Asked]] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._targets: dict[str, tuple[str, str]] = {}

    async def prepare(self) -> None:
        """An account, and a conversation with some messages."""
        await self.client.onboard(_CHATBOT, _NUMBER)
        for phone in _PHONES:
            await self.client.says(phone, _NUMBER, "hello")
        await eventually("the first replies", self._idle)
        conversations = (await self.client.api("GET", f"/conversations?chatbotId={_CHATBOT}"))["data"]
        self._targets = targets(self.system.urls, self.system.secret, conversations[0]["id"])

    async def watch(self, fault: Callable[[], Awaitable[None]]) -> list[Noticed]:
        """Ask all the time while `fault` happens, and until what it stopped has ended."""
        self.asked.clear()
        since = time.time() * 1000
        askers = [
            asyncio.create_task(self._steadily(partial(self._ask, kind, *target)))
            for kind, target in self._targets.items()
        ]
        askers.append(asyncio.create_task(self._steadily(self._say)))
        await asyncio.sleep(_BEFORE_SECONDS)
        await fault()
        await cancel(askers)
        await asyncio.gather(*self._asking)
        await eventually("a reply to each message", self._idle, seconds=120)
        self.asked["exchange"] = exchanges(
            [entry for phone in _PHONES for entry in await self.client.sent(phone=phone) if entry["atMs"] >= since],
            await self.client.received(phoneNumberId=_NUMBER),
        )
        return [noticed(kind, asked) for kind, asked in self.asked.items()]

    async def _idle(self) -> bool:
        return bool((await self.client.control("GET", "idle"))["idle"]) and len(
            await self.client.received(phoneNumberId=_NUMBER)
        ) >= sum([len(await self.client.sent(phone=phone)) for phone in _PHONES])

    async def _steadily(self, ask: Callable[[], Awaitable[None]]) -> None:
        while True:
            task = asyncio.ensure_future(ask())
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            await asyncio.sleep(_EVERY_SECONDS)

    async def _ask(self, kind: str, url: str, key: str) -> None:
        began, ok, stale = time.monotonic(), False, False
        try:
            headers = {"authorization": f"Bearer {key}"}
            async with self.session.get(url, headers=headers, timeout=_PATIENCE) as answer:
                await answer.read()
                ok, stale = answer.status == 200, "x-data-as-of" in answer.headers
        except (ClientError, TimeoutError):
            pass
        self.asked.setdefault(kind, []).append(Asked(began, time.monotonic() - began, ok, stale))

    async def _say(self) -> None:
        await self.client.says(random.choice(_PHONES), _NUMBER, "hello")  # who writes


def targets(urls: Mapping[str, str], secret: Credentials, conversation: str) -> dict[str, tuple[str, str]]:
    """What is asked: URL and API key by kind. Not through the gateway, which has time limits of its own."""
    reads = f"{urls['conversation']}{PREFIX}"
    return {
        "listing": (f"{reads}/conversations?chatbotId={_CHATBOT}&limit=20", secret.api_key),
        "thread": (f"{reads}/conversations/{conversation}/messages?limit=20", secret.api_key),
        "credentials": (f"{urls['internal']}/internal/accounts/{_CHATBOT}/credentials", secret.internal_key),
        "account": (f"{urls['accounts']}{PREFIX}/account/{_CHATBOT}", secret.api_key),
        "readiness": (f"{urls['conversation']}/health/ready", secret.api_key),
    }


def exchanges(sent: Sequence[Json], received: Sequence[Json]) -> list[Asked]:
    """How long each customer's message took until its reply was there. Pure."""
    replied = {entry["body"]["context"]["message_id"]: entry["atMs"] for entry in received}
    return [Asked(one["atMs"] / 1000, (replied[one["wamid"]] - one["atMs"]) / 1000, ok=True) for one in sent]


async def paused_primary(system: System, seconds: float) -> None:
    """The primary stands still, and comes back as a secondary."""
    mongo = system.stack.mongo
    primary = await asyncio.to_thread(mongo.primary)
    mongo.pause(primary)
    await asyncio.sleep(seconds)
    mongo.resume(primary)
    await asyncio.sleep(seconds / 2)


async def no_majority(system: System, seconds: float) -> None:
    """The primary and one more member stand still. What is left is a secondary."""
    mongo = system.stack.mongo
    primary = await asyncio.to_thread(mongo.primary)
    stopped = [primary, next(number for number in mongo.nodes if number != primary)]
    for number in stopped:
        mongo.pause(number)
    await asyncio.sleep(seconds)
    for number in stopped:
        mongo.resume(number)
    await asyncio.sleep(seconds / 2)


async def measure(system: System, seconds: float) -> None:
    """Print what callers notice of both faults."""
    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        scene = Scene(system, session)
        await scene.prepare()
        for title, fault in (("paused primary", paused_primary), ("no majority", no_majority)):
            print(f"\n{title} for {seconds:g} s\n{HEADER}", flush=True)
            for one in await scene.watch(partial(fault, system, seconds)):
                print(one, flush=True)
            await asyncio.to_thread(system.stack.mongo.primary, 60.0)


def main(argv: list[str] | None = None) -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m chaos.failover", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="how long a member stands still (default: %(default)s)"
    )
    given = parser.parse_args(argv)
    database = {"MONGODB_DATABASE": f"failover_{uuid.uuid4().hex[:8]}"}
    extra = dict.fromkeys(("conversation", "sender", "accounts"), database)
    with LocalStack(mongo_nodes=3) as stack, System(stack=stack, choices=Choices(extra=extra)) as system:
        asyncio.run(measure(system, given.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
