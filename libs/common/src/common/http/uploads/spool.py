"""A stream whose size is not known, kept on disk until it is."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import Final

from common.http.uploads.capacity import ANYBODY, Capacity

_IN_MEMORY: Final = 1 << 20
_CHUNK: Final = 1 << 16


@asynccontextmanager
async def spooled(
    chunks: AsyncIterator[bytes], room: Capacity | None = None, holder: str = ANYBODY
) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
    """Read `chunks` to their end: their size in bytes, and themselves again, to be read within the context.

    What is above 1 MiB goes to a file without a name in the system's temporary folder. Its bytes are taken from `room`
    for `holder` until the context ends. Raises `TooManyRequests` when that is full, and what `chunks` raises.
    """
    room, size = room or Capacity(sys.maxsize, "bytes"), 0
    try:
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
            async for chunk in chunks:
                room.take(len(chunk), holder)
                size += len(chunk)
                await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(file.seek, 0)
            yield size, _read(file)
    finally:
        room.give_back(size, holder)


async def _read(file: "SpooledTemporaryFile[bytes]") -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, _CHUNK):
        yield chunk
