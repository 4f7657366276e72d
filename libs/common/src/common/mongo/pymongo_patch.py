"""What PyMongo's public names do not offer: one patch, one call, one value.

**Patch:** PyMongo does not lose its lock while it waits for a server.

PyMongo waits for a condition with `asyncio.wait_for`, which before Python 3.12 runs the waiting as a task of its own
(https://github.com/python/cpython/issues/96764). At a timeout that task takes the topology's lock back first. A caller
that is cancelled just then leaves the task behind, and releases a lock that another caller holds. With several callers,
a task may get the lock when no caller is left to release it. From then on each operation of the client waits for ever,
also when MongoDB has long come back. With the patch, PyMongo waits as it does in Python 3.12.

**Call:** `interrupt` ends what waits for a member, as the driver does it when a monitor gives a member up.
"""

import asyncio
import sys
from collections.abc import Awaitable
from typing import Any, TypeVar

import pymongo.lock
from pymongo import AsyncMongoClient

T = TypeVar("T")


async def wait_for(awaitable: Awaitable[T], timeout: float | None) -> T:
    """Await it within the caller's own task. Raises `TimeoutError`."""
    async with asyncio.timeout(timeout):
        return await awaitable


def patch_waiting() -> None:
    """Patch every client of this process, before Python 3.12."""
    if sys.version_info < (3, 12):
        pymongo.lock.wait_for = wait_for  # type: ignore[assignment,attr-defined]  # a name that it imports


async def interrupt(client: AsyncMongoClient[Any], address: tuple[str, int | None]) -> None:
    """End what waits for this member: it fails as with a lost connection. New connections wait until it answers."""
    server = client._topology._servers.get(address)  # noqa: SLF001  # the driver does this itself, and offers it nowhere
    if server is not None:
        await server.pool.reset(interrupt_connections=True)
