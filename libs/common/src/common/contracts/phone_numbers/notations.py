"""One phone number, several notations: in five countries Meta's `wa_id` is not always what people dial. Pure.

Brazil gave its mobile numbers a ninth digit, and WhatsApp has many of them without it. Mexico took away the `1` after
`52`, and WhatsApp still has it. Argentina's mobile numbers have a `9` after `54` when they are dialled from abroad.
Benin put `01` before all of its eight digits in 2024, and Ivory Coast put two digits of the operator before its own in
2021; address books and WhatsApp still have those eight. An old number of Ivory Coast says by its first digits which
operator it was from. Where sources disagree on these digits, and for numbers that were issued since, there is only one
notation.
(Sources: Meta, "phone numbers" and the answers to sends, whose `contacts[].input` and `wa_id` differ; Anatel 553/2010
for Brazil, IFT 2019 for Mexico, ITU-T E.164 of Argentina, ARCEP Benin 2024,
ARTCI 2021 for Ivory Coast: 01 and 21 are Moov, 05 and 25 MTN, 07 and 27 Orange.)
"""

import re
from typing import Final

_COUNTRIES: Final = ("52", "54", "55", "225", "229")

_NOTATIONS: Final = (
    # Of Brazil's eight digits, those from 2 to 5 begin a landline: it has no ninth digit, and a mobile number that
    # differs from it in the 9 alone is another person's.
    (re.compile(r"(55[1-9]{2})9?([016-9]\d{7})"), (r"\g<1>9\g<2>", r"\g<1>\g<2>")),
    (re.compile(r"(52)1?([2-9]\d{9})"), (r"\1\2", r"\g<1>1\2")),
    (re.compile(r"(54)9?([1-8]\d{9})"), (r"\g<1>9\2", r"\1\2")),
    (re.compile(r"(225)(?:01)?((?:0[1-3]|[457][0-3])\d{6})"), (r"\g<1>01\2", r"\1\2")),
    (re.compile(r"(225)(?:05)?([04-9][4-6]\d{6})"), (r"\g<1>05\2", r"\1\2")),
    (re.compile(r"(225)(?:07)?((?:[04-8][7-9]|9[78])\d{6})"), (r"\g<1>07\2", r"\1\2")),
    (re.compile(r"(225)(?:21)?(2[0-3]8\d{5})"), (r"\g<1>21\2", r"\1\2")),
    (re.compile(r"(225)(?:25)?((?:2[0-4]|3[0-6])0\d{5})"), (r"\g<1>25\2", r"\1\2")),
    (
        re.compile(r"(225)(?:27)?((?:20[23]|21[2357]|22[45]|23[45]|24[3-5]|306|31[69]|3[2-4]7|359|368)\d{5})"),
        (r"\g<1>27\2", r"\1\2"),
    ),
    (re.compile(r"(229)(?:01)?([24-9]\d{7})"), (r"\g<1>01\2", r"\1\2")),
)
"""Each pattern with its notations, the canonical one first: as E.164 has the number today."""


def canonical(number: str) -> str:
    """The one notation in which two notations of the same number are equal. Digits only, without `+`."""
    return notations(number)[0]


def notations(number: str) -> tuple[str, ...]:
    """All notations of a number, the canonical one first; most have only their own. Digits only, without `+`."""
    if not number.startswith(_COUNTRIES):  # as nearly all: no pattern is tried
        return (number,)
    for pattern, templates in _NOTATIONS:
        found = pattern.fullmatch(number)
        if found is not None:
            return tuple(found.expand(template) for template in templates)
    return (number,)
