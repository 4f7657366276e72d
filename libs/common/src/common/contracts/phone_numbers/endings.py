"""Digits behind a phone number that are not its own: of a spreadsheet, of a copy, of an extension. Pure.

With them the number is a stranger's wherever numbers have several lengths (Germany, Austria, Finland, Indonesia).
"""

import re
from collections.abc import Callable
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberType

_DECIMALS: Final = re.compile(r"[0-9]{7} ?\.(?:[0-9]{1,2}|0+)[ .-]*$")
"""A spreadsheet writes a number that it took as a decimal one with `.0`."""

_COUNTED: Final = re.compile(r"[0-9][ .-]*\( ?[0-9]{1,4} ?\)[ .-]*$")
_LAST_GROUP: Final = re.compile(r"(?P<sign>[ ./()-]+)(?P<digits>[0-9]{1,4})[ .()-]*$")
_IN_PAIRS: Final = re.compile(r".*(?P<sign>[ .-])[0-9]{2}(?P=sign)[0-9]{2}")
_PAIR: Final = 2
_DIRECT_DIALLING: Final = ("43", "49")
"""Austria and Germany: a dash stands before the extension of a landline, which is dialled with the number."""

APPENDED: Final = "the phone number has digits behind its end, as `.0`, `(2)` or an extension; leave them out"


def check_signs_of_appended(written: str) -> None:
    """Raises `ValueError` when the signs alone show that the last digits are not the number's."""
    if _DECIMALS.search(written) or _COUNTED.search(written):
        raise ValueError(APPENDED)


def check_last_group(
    written: str, number: str, understand: Callable[[str], str], is_known: Callable[[str], bool]
) -> None:
    """Raises `ValueError` when the last group may have been appended to a number that is whole without it.

    `number` is what the whole text names, `understand` what a part of it does (`ValueError`: no number), and `is_known`
    says whether a number is one of a plan. A group of one or two digits is taken when only the number with it is one,
    or when it is a pair behind a pair; one of three or four unless only the number without it is one.
    """
    last = _LAST_GROUP.search(written)
    if last is None:
        return
    try:
        shorter = understand(written[: last.start()])
    except ValueError:
        return  # without the group there is no number: it is not appended
    if not number.startswith(shorter):
        return  # the library has put a local number's area before it: Madagascar
    if is_known(number):
        whole = len(last["digits"]) > _PAIR or not is_known(shorter) or _belongs(written, last["sign"], number)
    else:
        whole = len(last["digits"]) > _PAIR and not is_known(shorter)
    if not whole:
        raise ValueError(APPENDED)


def _belongs(written: str, sign: str, number: str) -> bool:
    if _IN_PAIRS.fullmatch(written):
        return True
    return "-" in sign and number.startswith(_DIRECT_DIALLING) and _is_landline(number)


def _is_landline(number: str) -> bool:
    return phonenumbers.number_type(phonenumbers.parse(f"+{number}")) == PhoneNumberType.FIXED_LINE
