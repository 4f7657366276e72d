"""Arguments of the control API: from a query or a JSON body. A wrong one is a Misuse that says what to change."""

from typing import Any

from graph_emulator.emulator import Emulator
from graph_emulator.misuse import Misuse
from graph_emulator.state.directory import Business
from graph_emulator.wa_ids import wa_id_of

Json = dict[str, Any]


def business_in(emulator: Emulator, arguments: Json) -> Business:
    """The business number named by `phoneNumberId`."""
    number = text_in(arguments, "phoneNumberId")
    business = emulator.directory.businesses.get(number)
    if business is None:
        raise Misuse(f"no business has phoneNumberId {number}; add it with POST /_control/businesses")
    return business


def text_in(arguments: Json, key: str) -> str:
    """A text that is not empty."""
    value = arguments.get(key)
    if not isinstance(value, str) or not value:
        raise Misuse(f"{key} is required and must be a text")
    return value


def phone_in(arguments: Json, key: str) -> str:
    """The `wa_id` of a phone number."""
    digits = text_in(arguments, key).lstrip("+")
    if not digits.isdigit():
        raise Misuse(f"{key} must be a phone number in digits")
    return wa_id_of(digits)


def number_in(arguments: Json, key: str, default: int | None = 0) -> int:
    """A whole number, 0 or more, in digits when it comes from a query; without a default it is required."""
    value = arguments.get(key, default)
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Misuse(f"{key} must be a whole number")
    return value
