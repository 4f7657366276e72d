"""Whether JSON has a key twice in one object: the decoder keeps the last value, the caller may mean the first. Pure.

The decoder does not tell. But each member has one colon outside of strings, and encoding what was decoded loses exactly
those members whose key came again. So the number of colons changes, and counting them takes under a microsecond.
"""

import json
from collections.abc import Iterable
from typing import Any, Final

import msgspec

_ESCAPED_COLONS: Final = (b"\\u003a", b"\\u003A")
_SHOWN: Final = 40


class _RepeatedKey(Exception):  # it carries the key out of the parser, and is no error of its own
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def repeated_key(value: bytes, decoded: object) -> str | None:
    """A key that an object of this JSON has twice, printable and shortened; None: there is none.

    `decoded` is what a decoder made of `value`.
    """
    try:
        if value.count(b":") == msgspec.json.encode(decoded).count(b":") and not _has_escaped_colon(value):
            return None
        json.loads(value, object_pairs_hook=_unique)
    except _RepeatedKey as found:
        return found.key[:_SHOWN].encode("utf-8", "backslashreplace").decode()
    except RecursionError:  # nested too deep to be stored, which is refused
        return None
    return None


def has_repeated_key(value: bytes | bytearray, keys: int, parts: Iterable[msgspec.Raw]) -> bool:
    """Whether an object has a key twice. It has `keys` different keys; apart from theirs, all colons are in `parts`."""
    return value.count(b":") != keys + sum(bytes(part).count(b":") for part in parts)


def _has_escaped_colon(value: bytes) -> bool:
    return any(escaped in value for escaped in _ESCAPED_COLONS)


def _unique(pairs: Iterable[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _RepeatedKey(key)
        seen.add(key)
