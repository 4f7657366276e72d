"""Reads of MongoDB that are tried again until it answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from common.errors import Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

_RETRY_SECONDS: Final = 0.5


async def until_available(read: Callable[[], Awaitable[T]], on_failure: Callable[[], None] = lambda: None) -> T:
    """The answer of `read`, tried again while MongoDB is unavailable; `on_failure` is called after each failure."""
    while True:
        try:
            return await read()
        except Unavailable as error:
            on_failure()
            log.warning("cannot read from MongoDB; trying again", extra={"error": error.message})
        await asyncio.sleep(_RETRY_SECONDS)
