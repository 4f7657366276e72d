"""The `wa_id` of a phone number that was dialled: Meta's own notation, which is not E.164's in five countries. Pure.

WhatsApp has Brazilian mobile numbers of most areas without their ninth digit, Mexican numbers with a `1` after `52`,
and Argentinian ones with a `9` after `54` (`contacts[].input` and `contacts[].wa_id` of Meta's answers to sends).
Which Brazilian numbers have lost the digit is not published: here those of the areas from 31 on.

Benin (2024) and Ivory Coast (2021) went from eight digits to ten. A person who registered before, and has not changed
the number in the app, still has the eight. Which numbers these are is not published either: here all mobile numbers of
Benin that had eight digits, and those of one operator of Ivory Coast, MTN (`05` before old numbers whose second digit
is 4, 5 or 6). Moov's `01` and Orange's `07` have their ten digits, also when the eight were dialled.
"""

import re

_RULES = (
    (re.compile(r"55([3-9][1-9])9(\d{8})"), r"55\1\2"),
    (re.compile(r"52([2-9]\d{9})"), r"521\1"),
    (re.compile(r"54([1-8]\d{9})"), r"549\1"),
    (re.compile(r"22901([4-9]\d{7})"), r"229\1"),
    (re.compile(r"22505([04-9][4-6]\d{6})"), r"225\1"),
    (re.compile(r"225(0[1-3]\d{6}|[457][0-3]\d{6})"), r"22501\1"),
    (re.compile(r"225([04-8][7-9]\d{6}|9[78]\d{6})"), r"22507\1"),
)


def wa_id_of(number: str) -> str:
    """Meta's notation of a number (digits only); also of one that is in it already."""
    for pattern, template in _RULES:
        found = pattern.fullmatch(number)
        if found is not None:
            return found.expand(template)
    return number
