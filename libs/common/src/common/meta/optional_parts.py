"""Reading parts of Meta's JSON that must not decide over the rest: what has another shape than expected is absent."""

import re
from typing import Any, Final

from common.contracts.phone_numbers.parsing import digits_of

_ID: Final = re.compile(r"\+?([1-9][0-9]*)")


def objects(value: object) -> list[dict[str, Any]]:
    """The objects of an array; an object alone is an array of one."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def text(value: object) -> str | None:
    """A string that says something, without white space around it."""
    return value.strip() or None if isinstance(value, str) else None


def digits(value: object) -> str | None:
    """The digits of a phone number that Meta gives as an id, country code first: as they are.

    One in another shape is read as people write numbers (`phone`).
    """
    plain = _ID.fullmatch(str(value).strip()) if isinstance(value, str | int) else None
    return plain[1] if plain else phone(value)


def phone(value: object) -> str | None:
    """The digits of a number as people write it; text that may name several numbers gives none."""
    try:
        return digits_of(value) if isinstance(value, str) else None
    except ValueError:
        return None
