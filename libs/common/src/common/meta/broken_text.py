"""Text that is not Unicode: half an emoji (a lone surrogate), and bytes that are not UTF-8. Pure.

JSON may hold a lone surrogate escape (RFC 8259 §8.2), and Meta sends some: a text that was cut within an emoji. Strict
readers refuse the whole document because of it, and UTF-8 cannot hold it. So what is read and shown has U+FFFD in its
place, and the original is kept beside it.
"""

import codecs
import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

_HEX: Final = rb"[0-9a-fA-F]"
_PAIR: Final = rb"\\u[dD][89abAB]" + _HEX * 2 + rb"\\u[dD][c-fC-F]" + _HEX * 2
_LONE: Final = rb"u[dD][89a-fA-F]" + _HEX * 2
_LONE_PART: Final = rb"u([dD][89a-fA-F]" + _HEX * 2 + rb")"

# Everything up to the next lone surrogate, and it. Possessive, and it matches everywhere, so the search takes linear
# time; each escape is taken as a whole, so an escaped backslash before `ud83d` is not a surrogate.
_TO_LONE: Final = re.compile(
    rb"((?:[^\\]++|" + _PAIR + rb"|\\[^u]|\\(?!" + _LONE + rb")u)*+)(?:\\" + _LONE_PART + rb")?", re.DOTALL
)
_TO_BROKEN: Final = re.compile(
    rb"((?:[^\\]++|"
    + _PAIR
    + rb"|\\[^ux]|\\(?!"
    + _LONE
    + rb")u)*+)(?:\\(?:"
    + _LONE_PART
    + rb"|x("
    + _HEX * 2
    + rb")))?",
    re.DOTALL,
)
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]+")
_REPLACEMENT: Final = rb"\ufffd"


@dataclass(frozen=True, slots=True)
class Marked:
    r"""A body in which each lone surrogate escape is marked, so that readers which skip strings can skip it.

    `mark` stands for the `\u` of the escape. It is not UTF-8 and occurs nowhere else, so any part of `body` tells which
    part of the original it is. A string of the mark and a number stands for one of the `parts`, which are nested too
    deeply to be skipped (`sunken`).
    """

    body: bytes
    mark: bytes
    parts: tuple[bytes, ...] = ()

    def original(self, part: bytes) -> bytes:
        """The bytes that a part of `body` was made of."""
        if self.parts:
            names = re.compile(b'"' + re.escape(self.mark) + b'([0-9]+)"')
            part = names.sub(lambda found: self.parts[int(found[1])], part)
        return part.replace(self.mark, rb"\u")


def new_mark(body: bytes) -> bytes:
    """Bytes that are no UTF-8 and occur nowhere in the body."""
    ends = 1
    while (mark := b"\xfe" + b"\xff" * ends) in body:
        ends += 1
    return mark


def marked(body: bytes, mark: bytes | None = None) -> Marked | None:
    """The body with its lone surrogates marked; None when it has none."""
    mark = mark or new_mark(body)

    def replaced(found: re.Match[bytes]) -> bytes:
        return found[1] if found[2] is None else found[1] + mark + found[2]

    changed = _TO_LONE.sub(replaced, body)
    return Marked(changed, mark) if changed != body else None


def readable(json: bytes) -> bytes:
    """The JSON text with U+FFFD for each lone surrogate escape and for each run of bytes that are not UTF-8."""
    text = _NOT_UTF8.sub("\ufffd", json.decode("utf-8", "surrogateescape")).encode()
    return _TO_LONE.sub(_shown, text)


def read_torn(json: bytes) -> Any:
    """What a JSON text says, also when strings in it are torn, or a byte order mark stands before it.

    Raises `msgspec.DecodeError`, `UnicodeDecodeError` or `RecursionError` for anything that is not JSON.
    """
    try:
        return msgspec.json.decode(json)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(readable(json.removeprefix(codecs.BOM_UTF8)))


def kept_text(json: bytes) -> str:
    r"""The JSON text as a database can hold it, with nothing lost: a byte that is not UTF-8 is written `\xNN`.

    JSON has no such escape, so it cannot be meant literally.
    """
    return json.decode("utf-8", "backslashreplace")


def shown_text(kept: str) -> str:
    """What `kept_text` gave, as JSON that every reader takes."""
    return _TO_BROKEN.sub(_shown, kept.encode()).decode()


def _shown(found: re.Match[bytes]) -> bytes:
    is_broken = found.lastindex is not None and found.lastindex > 1
    return found[1] + _REPLACEMENT if is_broken else found[1]
