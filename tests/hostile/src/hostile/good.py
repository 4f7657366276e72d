"""A tenant that works normally while others attack: how long its webhooks and sends take, and what is lost."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from aiohttp import ClientSession, TCPConnector

from hostile.payloads import message, send, value_of, webhook
from hostile.tenants import Answer, Stage, Tenant

WEBHOOK_SECONDS: Final = 0.25
SEND_SECONDS: Final = 2.0
"""Fewer than the attacker's, so that most records are bad, and a halt of the consumer would be seen."""

_PATIENCE_SECONDS: Final = 40.0
_AGAIN_SECONDS: Final = 0.3
_PHONES: Final = 12


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; 0 of nothing. Pure."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass(slots=True)
class Times:
    """Milliseconds from the first attempt until it was taken; `refused` attempts had to be repeated, by status."""

    took: list[float] = field(default_factory=list)
    refused: dict[int, int] = field(default_factory=dict)
    given_up: int = 0

    def summary(self) -> dict[str, float]:
        """As a row of a table."""
        return {
            "count": len(self.took) + self.given_up,
            "p50": round(percentile(self.took, 0.5), 1),
            "p99": round(percentile(self.took, 0.99), 1),
            "max": round(max(self.took, default=0.0), 1),
            "refused": sum(self.refused.values()),
            "givenUp": self.given_up,
        }


class Good:
    """Webhooks and sends at a steady pace while it is entered, however long each takes.

    What is refused is repeated, as Meta and a careful producer do. On leaving, it waits until all has been taken, then
    looks: `lost` are webhooks that were answered 200 and are not stored, and sends that were taken and not delivered.
    """

    def __init__(self, stage: Stage, tenant: Tenant) -> None:
        self._stage, self._tenant = stage, tenant
        self._run = uuid.uuid4().hex[:8]
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self.webhooks, self.sends = Times(), Times()
        self.wamids: list[str] = []
        self.message_ids: list[str] = []
        self.lost: list[str] = []
        self.answers: dict[int, int] = {}

    async def __aenter__(self) -> Self:
        """Start, on its own connections."""
        self._session = ClientSession(connector=TCPConnector(limit=200))
        self._own = Stage(self._stage.system, self._session)
        self._beats = [
            asyncio.create_task(self._beat(WEBHOOK_SECONDS, self._webhook)),
            asyncio.create_task(self._beat(SEND_SECONDS, self._send)),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, wait, and collect the results."""
        self._stop.set()
        await asyncio.gather(*self._beats)
        await asyncio.gather(*self._tasks)
        self.answers = dict(self._own.answers)
        if error is None:
            unstored = await self._own.stored(self.wamids, self._tenant, seconds=30)
            self.lost = unstored + await self._undelivered()
        await self._session.close()

    async def _beat(self, seconds: float, deed: Callable[[int], Awaitable[None]]) -> None:
        number, began = 0, time.monotonic()
        while not self._stop.is_set():
            task = asyncio.ensure_future(deed(number))
            self._tasks.add(task)
            number += 1
            await asyncio.sleep(max(0.0, began + number * seconds - time.monotonic()))

    async def _webhook(self, number: int) -> None:
        wamid = f"wamid.good-{self._run}-{number}"
        # A reaction, which the AI example leaves unanswered.
        reaction = {"type": "reaction", "reaction": {"message_id": f"wamid.old-{number}", "emoji": "x"}}
        told = message(wamid, f"49174000{number % _PHONES:04d}", int(time.time()), reaction)
        body = webhook(self._tenant.waba, value_of(self._tenant.number, messages=[told]))
        if await _until_taken(self.webhooks, lambda: self._own.deliver(body)):
            self.wamids.append(wamid)

    async def _send(self, number: int) -> None:
        message_id = f"good-{self._run}-{number}"
        body = send(self._tenant.chatbot_id, f"49175000{number % _PHONES:04d}", message_id)
        if await _until_taken(self.sends, lambda: self._own.call("POST", "/send", self._tenant.key, body)):
            self.message_ids.append(message_id)

    async def _undelivered(self) -> list[str]:
        left, deadline = set(self.message_ids), time.monotonic() + 30
        while left and time.monotonic() < deadline:
            stored = await asyncio.gather(*(self._own.message(self._tenant, one) for one in sorted(left)[:50]))
            done = {one.get("messageId") for one in stored if one.get("deliveryStatus") in {"delivered", "read"}}
            left -= done
            await asyncio.sleep(0.0 if done else 0.3)
        return sorted(left)


async def _until_taken(times: Times, attempt: Callable[[], Awaitable[Answer]]) -> bool:
    began = time.monotonic()
    while (answer := await attempt()).status != 200:
        times.refused[answer.status] = times.refused.get(answer.status, 0) + 1
        if time.monotonic() - began > _PATIENCE_SECONDS:
            times.given_up += 1
            return False
        await asyncio.sleep(_AGAIN_SECONDS)
    times.took.append((time.monotonic() - began) * 1000)
    return True
