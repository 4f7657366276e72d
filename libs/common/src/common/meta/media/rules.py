"""Which files WhatsApp carries, and how large they may be: pure.

Source: Meta, "Media" (Cloud API), "Supported media types", read with the list that `POST /<phone number id>/media`
names when it refuses a file (its error 100). Meta's MB and KB are taken as 1024 based: what lies between the two
readings Meta itself judges. Documents of a type that is not listed often pass, so they are left to Meta as well.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from common.meta.media.types import UNTOLD, bare

_KB: Final = 1024
_MB: Final = 1024 * _KB


class Kind(StrEnum):
    """What WhatsApp shows a file as; the names are those of the message types."""

    AUDIO = "audio"
    IMAGE = "image"
    VIDEO = "video"
    STICKER = "sticker"
    DOCUMENT = "document"


TYPES: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        Kind.AUDIO: ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"),
        Kind.IMAGE: ("image/jpeg", "image/png"),
        Kind.VIDEO: ("video/mp4", "video/3gpp"),
        Kind.STICKER: ("image/webp",),
    }
)
"""The MIME types of each kind; a document is any other `application/…` or `text/…`."""

STATIC_STICKER_BYTES: Final = 100 * _KB
LIMITS: Final[Mapping[Kind, int]] = MappingProxyType(
    {
        Kind.AUDIO: 16 * _MB,
        Kind.IMAGE: 5 * _MB,
        Kind.VIDEO: 16 * _MB,
        Kind.STICKER: 500 * _KB,
        Kind.DOCUMENT: 100 * _MB,
    }
)
"""The largest file of each kind, in bytes; a sticker that does not move has less."""

MAX_BYTES: Final = max(LIMITS.values())
HEAD_BYTES: Final = 21
"""How much of a file tells whether it moves."""

_KIND_OF: Final = {mime_type: kind for kind, types in TYPES.items() for mime_type in types}
KNOWN_TYPES: Final = ", ".join([*_KIND_OF, "application/…", "text/…"])
"""What `kind_of` takes, for people."""

_NO_DOCUMENTS: Final = UNTOLD | {"text/html"}  # a page that says why there is no file
_ANIMATION: Final = 0x02


class MediaRefused(Exception):
    """A file that WhatsApp does not carry: which `field` is wrong, what its `limit` is, and what was `given`."""

    def __init__(self, field: str, limit: str | int, given: str | int) -> None:
        what = f"of at most {limit:,} bytes" if isinstance(limit, int) else limit
        shown = f"{given:,}" if isinstance(given, int) else given
        super().__init__(f"{field}: the file has to be {what}; given: {shown}")
        self.field = field
        self.limit = limit
        self.given = given

    @property
    def too_large(self) -> bool:
        """Whether it is the size; otherwise it is the type."""
        return isinstance(self.limit, int)


def kind_of(mime_type: str) -> Kind:
    """What a file of this type is shown as. Raises `MediaRefused`."""
    given = bare(mime_type)
    kind = _KIND_OF.get(given)
    if given.startswith(("application/", "text/")) and given not in _NO_DOCUMENTS:
        return Kind.DOCUMENT
    if kind is None:
        raise MediaRefused("mimeType", f"one of {KNOWN_TYPES}", given[:100] or "missing")
    return kind


def check_kind(wanted: Kind, mime_type: str) -> None:
    """Raises `MediaRefused` unless a message of the kind `wanted` can show such a file; a document shows any."""
    if kind_of(mime_type) is not wanted and wanted is not Kind.DOCUMENT:
        raise MediaRefused(wanted, " or ".join(TYPES[wanted]), bare(mime_type)[:100])


def limit_of(mime_type: str, *, animated: bool = False) -> int:
    """The most bytes of a file of this type; a sticker that is `animated` may have more. Raises `MediaRefused`."""
    kind = kind_of(mime_type)
    return STATIC_STICKER_BYTES if kind is Kind.STICKER and not animated else LIMITS[kind]


def check_size(size: int, limit: int) -> None:
    """Raises `MediaRefused` for a file that is larger than its limit, in bytes."""
    if size > limit:
        raise MediaRefused("size", limit, size)


def is_animated(head: bytes) -> bool:
    """Whether a WebP file moves, by its first `HEAD_BYTES`: the flag of its VP8X chunk (WebP container, RFC 9649)."""
    is_extended = head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X"
    return is_extended and len(head) >= HEAD_BYTES and bool(head[20] & _ANIMATION)
