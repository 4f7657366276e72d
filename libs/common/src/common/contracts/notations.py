"""One phone number, several notations: in four countries Meta's `wa_id` is not always what people dial. Pure.

Brazil gave its mobile numbers a ninth digit, and WhatsApp has many of them without it. Mexico took away the `1` after
`52`, and WhatsApp still has it. Argentina's mobile numbers have a `9` after `54` when they are dialled from abroad.
Benin put `01` before all of its eight digits in 2024, and address books and WhatsApp still have those eight.
(Sources: Meta, "phone numbers" and the answers to sends, whose `contacts[].input` and `wa_id` differ; Anatel 553/2010
for Brazil, IFT 2019 for Mexico, ITU-T E.164 of Argentina, ARCEP Benin 2024.)
"""

import re
from typing import Final

_COUNTRIES: Final = ("52", "54", "55", "229")

_NOTATIONS: Final = (
    # Of Brazil's eight digits, those from 2 to 5 begin a landline: it has no ninth digit, and a mobile number that
    # differs from it in the 9 alone is another person's.
    (re.compile(r"(55[1-9]{2})9?([016-9]\d{7})"), (r"\g<1>9\g<2>", r"\g<1>\g<2>")),
    (re.compile(r"(52)1?([2-9]\d{9})"), (r"\1\2", r"\g<1>1\2")),
    (re.compile(r"(54)9?([1-8]\d{9})"), (r"\g<1>9\2", r"\1\2")),
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
