"""A phone number in any notation that people write, as the digits of its E.164 form. Pure.

Only what names one number for certain is taken. What is left out of a text to make a number of it can be the reason
why it reaches a stranger, so a text with an extension, a word, a second number or an address of another system has no
number at all. Countries, lengths and trunk prefixes are those of Google's libphonenumber. A number needs a possible
length there, and no more: which ranges are in use changes faster than the library is updated.
"""

import re
import unicodedata
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType, ValidationResult

from common.contracts.phone_numbers.endings import check_last_group, check_signs_of_appended
from common.contracts.phone_numbers.notations import canonical

_MOST_DIGITS: Final = 15  # ITU-T E.164 §6
_LEAST_DIGITS: Final = 7
_LONGEST: Final = 200
"""Characters of a text that is read: a card of contacts has any length, and patterns take longer with each blank."""
_AREA_DIGITS: Final = 8
"""Of a country and an area: a slash behind more than these stands between two numbers, or before another ending."""

_SCHEMES: Final = ("tel:", "whatsapp:")
_PLAIN: Final = re.compile(r"\+?[1-9][0-9]{6,14}")
_WRITTEN: Final = re.compile(r"\(? ?\+?[0-9 .()-]+(?:/[0-9 .()-]+)?")
_TRUNK_ZERO: Final = re.compile(r"(\(? ?(?:\+|00)? ?[1-9][0-9]{0,2}[) .-]*)\( ?0 ?\)(.*)")
_WITHOUT_TRUNK: Final = (1, 30, 34, 39, 45, 47, 48, 51, 52, 55, 56, 57, 65, 91, 351, 420, 852)
"""Countries where a number is usually written without a trunk prefix: nothing shows then that it is a national one."""

_NORTH_AMERICAN: Final = re.compile(r"1(?:555[0-9]{7}|[2-9](?!11)[0-9]{2}[2-9][0-9]{6})")
"""Neither an area code nor an exchange has 0 or 1 at its beginning, and no area code has 11 at its end (North American
Numbering Plan). Meta's test numbers have the area code 555, which has no subscribers, and any exchange."""

_TEST_AREA: Final = "1555"
_ONE_IN_FRONT: Final = (49, 86)
"""Germany and China: a mobile number has a 1 in front, and as many digits as a North American one with its 1."""

_TWICE: Final = re.compile(r"([0-9]{1,3})\1")

_DIALLED_FROM_RUSSIA: Final = "810"
"""Stands before the country code there, as `00` does elsewhere; and Japan's code with a trunk zero looks the same."""

_FORMER: Final = re.compile(r"225[0-9]{8}|229[24-9][0-9]{7}")
"""Ivory Coast (until 2021) and Benin (until 2024): people and WhatsApp may still have these eight digits."""

_NO_SUCH: Final = "no phone number begins with this country code and has this length"
_MEXICAN_TRUNK: Final = re.compile(r"(52)(?:01|044|045)([2-9][0-9]{9})")
"""Prefixes that Mexico gave up in 2019, and address books still have; the library has them no more."""


def digits_of(text: str) -> str:
    """The digits of the number that a text names, country code first, without `+`.

    The `+` may be missing, where that leaves no doubt, or be `00`; a trunk zero after the country code is left out;
    digits of other scripts become those of ASCII. Raises `ValueError`, with a sentence about the text, when it does not
    name one number for certain.
    """
    if _PLAIN.fullmatch(text):  # as nearly every caller writes it
        return _number(text) if text[0] != "+" else _international(text[1:])
    if len(text) > _LONGEST:
        raise ValueError("the text is too long to name one phone number")
    written = _in_ascii(text).strip()
    for scheme in _SCHEMES:
        if written[: len(scheme)].lower() == scheme:  # schemes have no case (RFC 3986 §3.1)
            written = written[len(scheme) :]
    _check_signs(written)
    number = _understood(written)
    check_last_group(written, number, _understood, _is_known)
    return number


def _understood(written: str) -> str:
    zero = _TRUNK_ZERO.fullmatch(written)
    if zero is None:
        digits = _with_country_code(written)
        return _international(digits) if _says_country(written) else _number(digits)
    return _without_doubt(_with_country_code(zero[1] + "0" + zero[2]), _with_country_code(zero[1] + zero[2]))


def _check_signs(written: str) -> None:
    if "@" in written:
        raise ValueError("an address with `@` is not a phone number")
    if written.count("+") > 1 or any(sign in written for sign in ",;|\n\r\t"):
        raise ValueError("name one recipient only, without an extension")
    if not _WRITTEN.fullmatch(written):
        raise ValueError("a phone number has digits, spaces, dots, dashes and brackets only, and no extension")
    check_signs_of_appended(written)
    before, slash, _ = written.partition("/")
    if slash and sum(map(str.isdigit, before)) > _AREA_DIGITS:
        raise ValueError("name one recipient only: a slash may follow the area code, and nothing else")


def _with_country_code(written: str) -> str:
    digits = "".join(filter(str.isdigit, written))
    digits = digits.removeprefix("00")
    if not digits or digits.startswith("0"):
        raise ValueError("the phone number has no country code")
    return digits


def _without_doubt(with_zero: str, without: str) -> str:
    """The number that was written with a zero in brackets: a trunk prefix in most countries, not in Italy."""
    numbers = {number for digits in (with_zero, without) if (number := _possible(digits)) is not None}
    if not numbers:
        raise ValueError(_NO_SUCH)
    found = {number for number in numbers if _is_valid(number)} or numbers
    if len(found) != 1:
        raise ValueError("it is not certain which phone number `(0)` stands in; leave the zero out, or its brackets")
    return found.pop()


def _says_country(written: str) -> bool:
    return written.lstrip("( ").startswith(("+", "00"))


def _number(digits: str) -> str:
    """The number that is written without a `+`: refused when it could be a national one of another country.

    What Meta gives as `wa_id` has no `+`, and an answer goes to it: a number in a former notation is taken too.
    """
    number = _international(digits)
    if not _is_known(number) and (digits.startswith(_DIALLED_FROM_RUSSIA) or _may_be_national(number)):
        raise ValueError("it is not certain that the phone number has its country code; put `+` before it")
    return number


def _may_be_national(digits: str) -> bool:
    if digits.startswith("1"):
        return not _NORTH_AMERICAN.fullmatch(digits) or (
            not digits.startswith(_TEST_AREA) and any(_is_valid(f"{country}{digits}") for country in _ONE_IN_FRONT)
        )
    return any(_is_valid(f"{country}{digits}") for country in _WITHOUT_TRUNK)


def _international(digits: str) -> str:
    number = _possible(digits)
    if number is None:
        raise ValueError(_NO_SUCH)
    _check_code_once(number)
    return number


def _check_code_once(number: str) -> None:
    """Raises `ValueError` when the country code was put before a number that has it already.

    A landline that begins as its country code does is such a number too, where what follows is a mobile number.
    """
    if not _TWICE.match(number):  # as nearly all
        return
    parsed = phonenumbers.parse(f"+{number}")
    code = str(parsed.country_code)
    if not number.startswith(code * 2):
        return
    landline = phonenumbers.number_type(parsed) == PhoneNumberType.FIXED_LINE
    rest = _possible(number[len(code) :])
    if rest is not None and (_is_mobile(rest) if landline else _is_valid(rest) and not _is_known(number)):
        raise ValueError("the country code stands twice; leave one of them out")


def _possible(digits: str) -> str | None:
    """The number, without a trunk prefix after its country code; None when there cannot be one."""
    if not _LEAST_DIGITS <= len(digits) <= _MOST_DIGITS + 3:  # with a trunk prefix it may be longer
        return None
    if _FORMER.fullmatch(digits):
        return digits
    digits = _MEXICAN_TRUNK.sub(r"\1\2", digits) if digits.startswith("520") else digits
    for notation in (digits, canonical(digits)):
        number = _read(notation)
        if number == notation:
            return digits  # as it was written: also where Meta's own notation is not the library's
    number = _read(digits)
    return number if number is not None and _read(number) == number else None  # one trunk prefix, not two


def _read(digits: str) -> str | None:
    """What the library makes of these digits: itself, without a trunk prefix, or nothing."""
    try:
        parsed = phonenumbers.parse(f"+{digits}")
    except NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(parsed) != ValidationResult.IS_POSSIBLE:
        return None
    number = f"{parsed.country_code}{phonenumbers.national_significant_number(parsed)}"
    return number if _LEAST_DIGITS <= len(number) <= _MOST_DIGITS else None


def _is_known(number: str) -> bool:
    """Whether the number is one of today's or of a former plan."""
    return _is_valid(number) or _is_valid(canonical(number)) or _FORMER.fullmatch(number) is not None


def _is_mobile(number: str) -> bool:
    return phonenumbers.number_type(phonenumbers.parse(f"+{number}")) == PhoneNumberType.MOBILE


def _is_valid(number: str) -> bool:
    return phonenumbers.is_valid_number(phonenumbers.parse(f"+{number}"))


def _in_ascii(text: str) -> str:
    return text if text.isascii() else "".join(map(_ascii_of, text))


def _ascii_of(sign: str) -> str:
    """Digits of other scripts and the signs of typography; marks that show nothing are left out."""
    if sign.isascii():
        return sign
    if sign.isdecimal():
        return str(unicodedata.decimal(sign))
    category = unicodedata.category(sign)
    if category == "Cf":
        return ""  # an address book of an Arabic phone writes marks of direction around a number
    if category == "Zs":
        return " "
    if category == "Pd" or sign == "\N{MINUS SIGN}":
        return "-"
    plain = unicodedata.normalize("NFKC", sign)
    return plain if plain in "+().,;/@" else sign
