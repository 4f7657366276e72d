"""Lifespans of a service's parts, for Litestar."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

from litestar import Litestar

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


class Part(Protocol):
    """What runs while the service does."""

    async def start(self) -> None:
        """Begin; returns at once."""

    async def stop(self) -> None:
        """End."""


def running(*parts: Part) -> Lifespan:
    """Start the parts in their order and stop them in reverse. An error of one does not keep another from stopping."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for part in parts:
                await part.start()
                stack.push_async_callback(part.stop)
            yield

    return lifespan


def closing(*closes: Callable[[], Awaitable[Any]]) -> Lifespan:
    """Call all of them at the end, the last first. An error of one does not keep another from being called."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for close in closes:
                stack.push_async_callback(_called, close)
            yield

    return lifespan


async def _called(close: Callable[[], Awaitable[Any]]) -> None:
    await close()
