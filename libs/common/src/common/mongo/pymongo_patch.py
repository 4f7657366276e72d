"""PyMongo's waiting for a server holds no lock for ever.

It waits for a condition with `asyncio.wait_for`, which before Python 3.12 runs what it waits for as a task of its own
(https://github.com/python/cpython/issues/96764). When the time is over that task takes the topology's lock back first.
Callers that are cancelled just then leave it behind, and give back a lock that is not theirs; of several, one gets the
lock in the end when nobody is there any more to give it back. From then on each operation of the client waits for ever,
also when MongoDB has long come back. Here it waits as it does in Python 3.12.
"""

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

import pymongo.lock

T = TypeVar("T")


async def wait_for(awaitable: Awaitable[T], timeout: float | None) -> T:
    """What the awaitable gives, within the caller's own task. Raises `TimeoutError`."""
    async with asyncio.timeout(timeout):
        return await awaitable


def wait_in_place() -> None:
    """Have every client of this process wait so, where Python does not by itself."""
    if sys.version_info < (3, 12):
        pymongo.lock.wait_for = wait_for  # type: ignore[assignment,attr-defined]  # a name that it imports
