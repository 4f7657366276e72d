"""The memory for request bodies of one process: a counter."""

from typing import Final

SMALL_BYTES: Final = 64 * 1024
"""A body up to this size is small: nearly all webhooks and single sends are."""


class BodyBudget:
    """How many bytes of bodies the process holds, from their arrival to their answer.

    **Invariants:** small and large bodies together hold at most `total` bytes; large ones at most three quarters of
    it. So large bodies never use up the share of small ones.
    """

    __slots__ = ("_most_large", "_total", "large", "small")

    def __init__(self, total: int) -> None:
        self._total = total
        self._most_large = total * 3 // 4
        self.small = 0
        self.large = 0

    def grow(self, held: int, more: int) -> bool:
        """Take `more` bytes for a body that holds `held` already; False, and nothing is taken, when they do not fit."""
        if self.small + self.large + more > self._total:
            return False
        if held + more <= SMALL_BYTES:
            self.small += more
            return True
        moved = held if held <= SMALL_BYTES else 0
        if self.large + moved + more > self._most_large:
            return False
        self.small -= moved
        self.large += moved + more
        return True

    def shrink(self, held: int) -> None:
        """Give back all that one body holds."""
        if held <= SMALL_BYTES:
            self.small -= held
        else:
            self.large -= held
