"""The file of a `multipart/form-data` body, piece by piece as it comes (RFC 7578)."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Final

from multipart import (  # type: ignore[import-untyped]  # it ships no types
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
)

from common.errors import InvalidInput

_MAX_PARTS: Final = 32


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file part whose reading has begun; `mime_type` and `filename` are empty where the form says nothing."""

    mime_type: str
    filename: str
    chunks: AsyncIterator[bytes]


async def form_file(stream: AsyncIterator[bytes], boundary: str) -> FormFile:
    """The part named `file`; what comes before and after it is skipped. Raises `InvalidInput`, in `chunks` too."""
    events = _events(stream, boundary)
    async for event in events:
        if isinstance(event, MultipartSegment) and event.name == "file":
            return FormFile(event.header("Content-Type", ""), event.filename or "", _content(events))
    raise InvalidInput("the form has no part named `file`", details=[{"field": "file", "message": "missing"}])


async def _content(events: AsyncGenerator[MultipartSegment | bytearray | bytes | None, None]) -> AsyncIterator[bytes]:
    async for event in events:
        if event is None:
            break
        if isinstance(event, bytes | bytearray):
            yield bytes(event)
    async for _ in events:
        pass


async def _events(
    stream: AsyncIterator[bytes], boundary: str
) -> AsyncGenerator[MultipartSegment | bytearray | bytes | None, None]:
    """What the parser finds: a part's head, its pieces, None at its end."""
    try:
        with PushMultipartParser(boundary, max_segment_count=_MAX_PARTS) as parser:
            async for chunk in stream:
                if chunk:
                    for event in parser.parse(chunk):
                        yield event
    except MultipartError as error:
        raise InvalidInput(f"the body is not multipart/form-data: {error}") from error
