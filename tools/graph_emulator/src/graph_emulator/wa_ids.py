"""The `wa_id` of a phone number that was dialled: Meta's own notation, which is not E.164's in three countries. Pure.

WhatsApp has Brazilian mobile numbers of most areas without their ninth digit, Mexican numbers with a `1` after `52`,
and Argentinian ones with a `9` after `54` (`contacts[].input` and `contacts[].wa_id` of Meta's answers to sends).
Which Brazilian numbers have lost the digit is not published: here those of the areas from 31 on.
"""

import re

_RULES = (
    (re.compile(r"55([3-9][1-9])9(\d{8})"), r"55\1\2"),
    (re.compile(r"52([2-9]\d{9})"), r"521\1"),
    (re.compile(r"54([1-8]\d{9})"), r"549\1"),
)


def wa_id_of(number: str) -> str:
    """Meta's notation of a number (digits only); also of one that is in it already."""
    for pattern, template in _RULES:
        found = pattern.fullmatch(number)
        if found is not None:
            return found.expand(template)
    return number
