"""Limits of the values in a request, which are checked before it is parsed and validated. Pure.

A parser makes an object for each value, and Pydantic an error for each wrong field, so a few bytes of JSON can take a
lot of memory. A request with too many values is refused before either begins.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from common.errors import InvalidInput

MAX_VALUES: Final = 20_000
MAX_OF_MESSAGE: Final = 10_000
MAX_KEYS: Final = 256
MAX_OF_BATCH: Final = 250_000
"""Values, keys and separators over all messages of a batch."""

_MAX_OF_REQUEST: Final = 3 * MAX_VALUES  # a value with a name is three tokens: two strings and a comma
_FEW: Final = 100
# A string (also one without an end, because looking for its end again and again would take for ever), or the start of
# a value.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[,\[{]', re.DOTALL)


def check_batch(value: bytes | bytearray) -> None:
    """Raises `InvalidInput` when the JSON of a batch has too many values to be decoded."""
    if _has_more(value, MAX_OF_BATCH):
        raise InvalidInput(f"the batch has more than {MAX_OF_BATCH} strings, values and separators; split it")


def check_size(value: bytes | bytearray) -> None:
    """Raises `InvalidInput` when the JSON of one request has too many values to be decoded."""
    if _has_more(value, _MAX_OF_REQUEST):
        raise InvalidInput(f"a request has at most {MAX_VALUES} values")


def _has_more(value: bytes | bytearray, most: int) -> bool:
    """Whether JSON has more than `most` tokens; counting stops there. Separators within strings do not count."""
    if len(value) <= most or sum(map(value.count, (b",", b"[", b"{", b'"'))) <= most:
        return False
    return any(count >= most for count, _ in enumerate(_TOKEN.finditer(value)))


def check_message(body: Mapping[str, Any], value: bytes | bytearray | memoryview | None = None) -> None:
    """Raises `InvalidInput` when a request has too many values, or one of its objects too many keys.

    `value` is its JSON. When it has few separators, nothing has to be counted.
    """
    if value is not None and _is_plain(bytes(value)):
        return
    if len(body) > MAX_KEYS or _exceeds(body, MAX_VALUES):
        raise InvalidInput(f"a request has at most {MAX_KEYS} fields, and {MAX_VALUES} values in all")
    message = body.get("message")
    if _exceeds(message, MAX_OF_MESSAGE) or any(len(each) > MAX_KEYS for each in _objects(message)):
        raise InvalidInput(f"a message has at most {MAX_KEYS} fields in an object, and {MAX_OF_MESSAGE} values in all")


def _is_plain(value: bytes) -> bool:
    return value.count(b",") + value.count(b"[") + value.count(b"{") <= _FEW


def _exceeds(value: object, most: int) -> bool:
    count = 0
    for each in _containers(value):
        count += len(each)
        if count > most:
            return True
    return False


def _objects(value: object) -> Iterator[dict[str, Any]]:
    return (each for each in _containers(value) if isinstance(each, dict))


def _containers(value: object) -> Iterator[dict[str, Any] | list[Any]]:
    """All containers in a value, each before its content."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting.extend(inner for inner in each.values() if isinstance(inner, dict | list))
        elif isinstance(each, list):
            yield each
            waiting.extend(inner for inner in each if isinstance(inner, dict | list))
