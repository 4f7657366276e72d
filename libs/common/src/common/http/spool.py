"""A stream whose size is not known, kept on disk until it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import Final

_IN_MEMORY: Final = 1 << 20
_CHUNK: Final = 1 << 16


@asynccontextmanager
async def spooled(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
    """Read `chunks` to their end: their size in bytes, and themselves again, to be read within the context.

    What is above 1 MiB goes to a file without a name in the system's temporary folder. Raises what `chunks` raises.
    """
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        size = 0
        async for chunk in chunks:
            size += await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(file.seek, 0)
        yield size, _read(file)


async def _read(file: "SpooledTemporaryFile[bytes]") -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, _CHUNK):
        yield chunk
