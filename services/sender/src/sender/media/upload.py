"""Streams one file to Meta, and checks its type and size while it passes."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

from common.http.uploads.capacity import Capacity
from common.http.uploads.spool import spooled
from common.meta.media import types
from common.meta.media.rules import HEAD_BYTES, MediaRefused, check_size, is_animated, limit_of
from common.meta.media.upload import MediaClient


@dataclass(frozen=True, slots=True)
class File:
    """A file to upload. `size` is in bytes, None when it is not known yet."""

    mime_type: str
    name: str
    size: int | None
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An uploaded file: its media id, type, size in bytes and SHA-256 (hex)."""

    id: str
    mime_type: str
    size: int
    sha256: str


class _Counted:
    """Counts and hashes chunks as they pass. Raises `MediaRefused` at the first byte over the limit."""

    def __init__(self, chunks: AsyncIterator[bytes], limit: int) -> None:
        self._chunks = chunks
        self._limit = limit
        self._hash = hashlib.sha256()
        self.size = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self.size += len(chunk)
            check_size(self.size, self._limit)
            self._hash.update(chunk)
            yield chunk

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


async def recognised_file(file: File) -> File:
    """The same file with a type that Meta knows. Its first bytes are read only when no type was given.

    Raises what `file.chunks` raises.
    """
    if types.bare(file.mime_type) not in types.UNTOLD:
        return replace(file, mime_type=types.declared_type(file.mime_type, file.name))
    head, chunks = await _peeked(file.chunks, types.HEAD_BYTES)
    mime_type = types.recognised(file.mime_type, file.name, head[: types.HEAD_BYTES])
    return replace(file, mime_type=mime_type, chunks=chunks)


async def transfer(
    client: MediaClient, phone_number_id: str, token: str, file: File, spool: Capacity | None = None
) -> Uploaded:
    """Upload a file to a number's media. A file of unknown size waits on disk first, because Meta needs the size.

    It waits in `spool` (bytes), if that is given. Raises `TooManyRequests` when the spool is full, `MediaRefused` for a
    file that WhatsApp does not support, `UploadFailed`, and what `file.chunks` raises.
    """
    most = limit_of(file.mime_type, animated=True)  # a file that is too large for every kind is not begun
    check_size(file.size or 0, most)
    head, chunks = await _peeked(file.chunks, HEAD_BYTES)
    if not head:
        raise MediaRefused("size", "larger than nothing", 0)
    limit = limit_of(file.mime_type, animated=is_animated(head))
    check_size(file.size or 0, limit)
    counted = _Counted(chunks, limit)
    async with _sized(aiter(counted), file.size, spool, phone_number_id) as (size, body):
        media_id = await client.upload(
            phone_number_id, token, body, mime_type=file.mime_type, filename=file.name or "file", size=size
        )
    return Uploaded(media_id, file.mime_type, counted.size, counted.sha256)


def _sized(
    chunks: AsyncIterator[bytes], size: int | None, spool: Capacity | None, number: str
) -> AbstractAsyncContextManager[tuple[int, AsyncIterator[bytes]]]:
    return spooled(chunks, spool, number) if size is None else _as_told(chunks, size)


@asynccontextmanager
async def _as_told(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
    yield size, chunks


async def _peeked(chunks: AsyncIterator[bytes], least: int) -> tuple[bytes, AsyncIterator[bytes]]:
    """The first bytes, at least `least` if there are as many, and all chunks again."""
    head = b""
    async for chunk in chunks:
        head += chunk
        if len(head) >= least:
            break
    return head, _after(head, chunks)


async def _after(head: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in chunks:
        yield chunk
