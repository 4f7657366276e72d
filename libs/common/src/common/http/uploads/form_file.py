"""The file of a `multipart/form-data` body, piece by piece as it comes (RFC 7578)."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Final

from multipart import (  # type: ignore[import-untyped]  # it ships no types
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
)

from common.errors import InvalidInput, TooLarge

_MAX_PARTS: Final = 32
_MAX_HEADER: Final = 4_096
_MAX_HEADERS: Final = 8
_MAX_BOUNDARY: Final = 70  # RFC 2046 §5.1.1
_MAX_OUTSIDE: Final = 65_536

_NO_FILE: Final = (
    "the form has no part named `file`; send the file itself."
    " A link needs no upload: give it as the `link` of a message"
)

_Events = AsyncGenerator[MultipartSegment | bytearray | bytes | None, None]


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file part whose reading has begun; `mime_type` and `filename` are empty where the form says nothing."""

    mime_type: str
    filename: str
    chunks: AsyncIterator[bytes]


async def form_file(stream: AsyncIterator[bytes], boundary: str) -> FormFile:
    """The part named `file`; what comes before and after it is skipped.

    Raises `InvalidInput`, and `TooLarge` when there are more than 64 KiB beside the file; in `chunks` too.
    """
    if len(boundary) > _MAX_BOUNDARY or not boundary.isascii():
        raise InvalidInput(f"the boundary of a form has at most {_MAX_BOUNDARY} characters of ASCII")
    events = _events(stream, boundary)
    async for event in events:
        if isinstance(event, MultipartSegment) and event.name == "file":
            return FormFile(event.header("Content-Type", ""), event.filename or "", _content(events))
    raise InvalidInput(_NO_FILE, details=[{"field": "file", "message": "it is missing"}])


async def _content(events: _Events) -> AsyncIterator[bytes]:
    async for event in events:
        if event is None:
            break
        if isinstance(event, bytes | bytearray):
            yield bytes(event)
    async for _ in events:
        pass


async def _events(stream: AsyncIterator[bytes], boundary: str) -> _Events:
    """What the parser finds: a part's head, its pieces, None at its end."""
    outside, in_file = 0, False
    try:
        with PushMultipartParser(
            boundary, max_segment_count=_MAX_PARTS, max_header_size=_MAX_HEADER, max_header_count=_MAX_HEADERS
        ) as parser:
            async for chunk in stream:
                outside += len(chunk)
                for event in parser.parse(chunk) if chunk else ():
                    if isinstance(event, MultipartSegment):
                        in_file = event.name == "file"
                    elif event is not None and in_file:
                        outside -= len(event)
                    yield event
                if outside > _MAX_OUTSIDE:
                    raise TooLarge(f"the form has more than {_MAX_OUTSIDE} bytes beside its file")
    except (MultipartError, UnicodeError) as error:
        raise InvalidInput(f"the body is not multipart/form-data: {error}") from error
