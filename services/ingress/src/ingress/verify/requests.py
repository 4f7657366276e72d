"""Whether a verify token is known. Any client may ask, so a request has a small and fixed cost."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from common.contracts.accounts import VERIFY_TOKEN_MAX
from common.tasks import cancel

_CATCH_UP_SECONDS: Final = 2.0
_BETWEEN_SECONDS: Final = 1.0
_WAITING_MAX: Final = 1_000
"""Requests that may wait for a catch-up at once; more are answered that their token is not known."""


class Tokens(Protocol):
    """The verify tokens of active accounts, as far as they are known here."""

    def matches(self, token: str) -> bool:
        """Whether `token` is one of them."""

    async def catch_up(self, seconds: float) -> bool:
        """Read what accounts has published until now; False when that takes longer than `seconds`."""


class Verification:
    """The known verify tokens: the app's own, and those of active accounts.

    `now` is a monotonic clock in seconds, `sleep` waits for some.
    """

    def __init__(
        self,
        token: str | None,
        accounts: Tokens,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._token = token.encode() if token is not None else None
        self._accounts = accounts
        self._catch_up = SharedCatchUp(lambda: accounts.catch_up(_CATCH_UP_SECONDS), now=now, sleep=sleep)

    async def knows(self, token: str) -> bool:
        """Whether `token` is one of them; an account that was acknowledged a moment ago counts."""
        if self._token is not None and hmac.compare_digest(token.encode(), self._token):
            return True
        if len(token) > VERIFY_TOKEN_MAX:
            return False
        return self._accounts.matches(token) or (await self._catch_up() and self._accounts.matches(token))

    async def stop(self) -> None:
        """End a catch-up that is under way."""
        await self._catch_up.stop()


class SharedCatchUp:
    """One catch-up with Kafka for all callers that wait, at most one a second: a flood of requests costs no more.

    **Invariants:**
    - A caller is answered by a catch-up that began after its call, so it sees every change acknowledged before.
    - Catch-ups do not overlap.
    - At most `waiting` callers wait; the others are answered False at once.
    """

    def __init__(
        self,
        catch_up: Callable[[], Awaitable[bool]],
        *,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        waiting: int = _WAITING_MAX,
    ) -> None:
        self._catch_up = catch_up
        self._now = now
        self._sleep = sleep
        self._room = waiting
        self._next: asyncio.Task[bool] | None = None
        self._tasks: set[asyncio.Task[bool]] = set()
        self._turn = asyncio.Lock()
        self._not_before = float("-inf")

    async def __call__(self) -> bool:
        """The result of the next catch-up."""
        if self._room <= 0:
            return False
        self._room -= 1
        try:
            return await asyncio.shield(self._next or self._plan())
        finally:
            self._room += 1

    async def stop(self) -> None:
        """End the catch-ups that are planned or under way."""
        await cancel(list(self._tasks))

    def _plan(self) -> asyncio.Task[bool]:
        task = asyncio.create_task(self._take(), name="catch up with accounts")
        self._next = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _take(self) -> bool:
        async with self._turn:
            if (wait := self._not_before - self._now()) > 0:
                await self._sleep(wait)
            self._next = None  # later callers need the catch-up after this one
            self._not_before = self._now() + _BETWEEN_SECONDS
            return await self._catch_up()
