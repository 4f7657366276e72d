"""Texts that no codec can pack better than those of people. Pure.

The words are drawn independently of one another, the frequent ones more often (Zipf's law), from a vocabulary of the
size that people chat with. People repeat phrases as well, so their texts are packed no worse than these.
"""

import random
from bisect import bisect
from functools import cache
from itertools import accumulate
from typing import Final

WORDS: Final = 4_000
_ONSETS: Final = ("b", "br", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "st", "t", "tr", "v", "w", "z")
_VOWELS: Final = ("a", "e", "i", "o", "u", "ei", "ou")
_ENDS: Final = ("", "", "n", "r", "s", "t", "ng", "l")


@cache
def _vocabulary() -> tuple[str, ...]:
    """Distinct made-up words, the frequent ones short."""
    chance = random.Random(1)  # noqa: S311  # no secret
    found: dict[str, None] = {}
    while len(found) < WORDS:
        syllables = 1 if len(found) < WORDS // 20 else chance.choice((2, 2, 3))
        found["".join(chance.choice(part) for _ in range(syllables) for part in (_ONSETS, _VOWELS, _ENDS))] = None
    return tuple(found)


@cache
def _weights() -> tuple[float, ...]:
    return tuple(accumulate(1 / (rank + 2) for rank in range(WORDS)))


def text(chance: random.Random, words: int) -> str:
    """A text of so many words."""
    vocabulary, weights = _vocabulary(), _weights()
    drawn = [vocabulary[min(bisect(weights, chance.random() * weights[-1]), WORDS - 1)] for _ in range(words)]
    return " ".join(drawn).capitalize() + chance.choice((".", ".", "?", "!", ""))
