"""How much of something may be under way in one process: bytes, or uploads. Beyond it a caller gets 429, at once.

One holder (a chatbot, an API key) gets only a part, so that it does not take the room of all the others.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from common.errors import TooManyRequests

ANYBODY: Final = ""
"""The holder where all share one room."""


class Capacity:
    """At most `most` units at one time, and at most `each` of them for one holder; `what` names them in the error.

    **Invariants:** what is taken is given back exactly once; `used` is the sum over all holders; a holder with nothing
    is not remembered.
    """

    def __init__(self, most: int, what: str, *, each: int | None = None) -> None:
        self._most = most
        self._each = most if each is None else min(each, most)
        self._what = what
        self._held: defaultdict[str, int] = defaultdict(int)
        self.used = 0

    def take(self, units: int, holder: str = ANYBODY) -> None:
        """Raises `TooManyRequests`; then nothing is taken."""
        if self._held.get(holder, 0) + units > self._each:
            raise TooManyRequests(f"you have too many {self._what} under way; wait for their answers and try again")
        if self.used + units > self._most:
            raise TooManyRequests(f"too many {self._what} are under way; try again")
        self._held[holder] += units
        self.used += units

    def give_back(self, units: int, holder: str = ANYBODY) -> None:
        """What `take` has taken."""
        self.used -= units
        self._held[holder] -= units
        if not self._held[holder]:
            del self._held[holder]

    @contextmanager
    def held(self, units: int, holder: str = ANYBODY) -> Iterator[None]:
        """Take `units` for the time of the context. Raises `TooManyRequests`."""
        self.take(units, holder)
        try:
            yield
        finally:
            self.give_back(units, holder)
