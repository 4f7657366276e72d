"""Reading parts of Meta's JSON that must not decide over the rest: what has another shape than expected is absent."""

import re
from typing import Any, Final

_NO_DIGIT: Final = re.compile(r"[^0-9]")


def objects(value: object) -> list[dict[str, Any]]:
    """The objects of an array; an object alone is an array of one."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def text(value: object) -> str | None:
    """A string that says something, without white space around it."""
    return value.strip() or None if isinstance(value, str) else None


def digits(value: object) -> str | None:
    """The digits of a phone number with its country code; one with a zero in front has none, and names nobody."""
    found = _NO_DIGIT.sub("", str(value)) if isinstance(value, str | int) else ""
    return found if found and not found.startswith("0") else None
