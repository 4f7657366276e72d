"""Whether the JSON of a send request can be stored: MongoDB keeps it beside its message. Pure.

BSON and MongoDB refuse some JSON, and the driver reads some back as another thing. A record that cannot be stored is
found out late, when its message may be on the phone already. So each way in asks here first. The rules:

- A key has no NUL character (the BSON specification, `cstring`).
- A key is not `$ref`, `$id` or `$db`. MongoDB refuses them in some places, and drivers read an object with `$ref` and
  `$id` as a reference to another document (MongoDB manual, "Field Names with Periods and Dollar Signs" and "Database
  References").
- A whole number fits into 64 bits, signed. A number is neither NaN nor infinite.
- Keys and texts are Unicode: they have no lone surrogates.
- Objects and lists are nested at most `MAX_DEPTH` deep. MongoDB 8 refuses what has more than 180 levels as a
  whole (`BSONDepth::getMaxDepthForUserStorage`).
- There are at most `MAX_VALUES` values, so that the check takes bounded time and the document stays below 16 MiB.

Empty keys, keys with dots, other keys with `$` and long keys can be stored: below the first level of a document they
mean nothing to MongoDB (since version 5).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

MAX_DEPTH: Final = 100
"""Levels of objects and lists, the request itself included."""

MAX_VALUES: Final = 20_000
"""Members of all objects and elements of all lists together."""

_RESERVED: Final = frozenset({"$ref", "$id", "$db"})
_INT64: Final = 2**63
_SHOWN_STEP: Final = 40
_SHOWN_PATH: Final = 200

_Path = tuple[Any, Any] | None
"""The path to the container and the step from there; None: the request itself."""


@dataclass(frozen=True, slots=True)
class Unstorable:
    """The first place that cannot be stored, and why. `path` is printable and at most 200 characters long."""

    path: str
    reason: str


def unstorable(body: Mapping[str, Any]) -> Unstorable | None:
    """What of a request's JSON cannot be stored; None: all of it can. Looks at no more than `MAX_VALUES` values."""
    level: list[tuple[_Path, Any]] = [(None, body)]
    values = 0
    for _ in range(MAX_DEPTH):
        inner: list[tuple[_Path, Any]] = []
        for path, container in level:
            values += len(container)
            if values > MAX_VALUES:
                return Unstorable(_shown(path), f"there are more than {MAX_VALUES} values")
            reason = _look(path, container, inner)
            if reason is not None:
                return reason
        if not inner:
            return None
        level = inner
    return Unstorable(_shown(level[0][0]), f"it is nested deeper than {MAX_DEPTH} levels")


def _look(path: _Path, container: Any, inner: list[tuple[_Path, Any]]) -> Unstorable | None:
    """Check one object or list; what is nested in it goes to `inner`."""
    keyed = isinstance(container, Mapping)
    steps: Iterable[tuple[Any, Any]] = container.items() if keyed else enumerate(container)
    for step, value in steps:
        reason = (_of_key(step) if keyed else None) or _of_value(value)
        if reason is not None:
            return Unstorable(_shown((path, step)), reason)
        if isinstance(value, dict | list):
            inner.append(((path, step), value))
    return None


def _of_key(key: object) -> str | None:
    if not isinstance(key, str):
        return "a key is not a text"
    if key in _RESERVED:
        return f"MongoDB reserves the key `{key}`; rename it"
    if "\0" in key:
        return "a key has a NUL character; remove it"
    return "a key has a lone surrogate; give valid Unicode" if _is_torn(key) else None


def _of_value(value: object) -> str | None:
    if isinstance(value, str):
        return "the text has a lone surrogate; give valid Unicode" if _is_torn(value) else None
    if isinstance(value, int):  # true and false, too
        return None if -_INT64 <= value < _INT64 else "the number does not fit into 64 bits; give it as a text"
    if isinstance(value, float):
        return None if isfinite(value) else "the number is not finite"
    return None if value is None or isinstance(value, dict | list) else "the value is not JSON"


def _is_torn(text: str) -> bool:
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _shown(path: _Path) -> str:
    steps: list[str] = []
    while path is not None:
        path, step = path
        text = str(step)[:_SHOWN_STEP].replace("\0", "\\u0000")
        steps.append(text.encode("utf-8", "backslashreplace").decode())
    return ".".join(reversed(steps))[:_SHOWN_PATH]
