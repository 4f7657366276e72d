"""How much more may come into memory: counts by group, in all, and of what is on its way. Synchronous, no IO."""

from collections import Counter
from collections.abc import Mapping

from sender.dispatch.model import Bounds


class MemoryBudget:
    """Counts of one session. `bulk` asks for a campaign's sends, which have half of their group's room.

    The other half is for what somebody waits for; and a group that has very little in memory has room even when the
    others have taken all, so that their floods do not shut it out.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._in_hand: Counter[str] = Counter()
        self._coming: Counter[str] = Counter()
        self._held = 0
        self._expected = 0
        self.writing = 0

    @property
    def size(self) -> int:
        """How many are in memory."""
        return self._held

    def sizes(self) -> Mapping[str, int]:
        """How many are in memory, by group."""
        return self._in_hand

    def is_free(self, group: str, *, bulk: bool) -> bool:
        """Whether another one of this group may come in."""
        bounds = self._bounds
        of_group = self._in_hand[group] + self._coming[group]
        if of_group >= (bounds.bulk if bulk else bounds.group):
            return False
        in_all = self._held + self._expected + self.writing
        return in_all < bounds.total or (of_group < bounds.least and in_all < 2 * bounds.total)

    def enter(self, group: str) -> None:
        """One has come in."""
        self._in_hand[group] += 1
        self._held += 1

    def leave(self, group: str) -> None:
        """One has gone."""
        self._held -= 1
        _take(self._in_hand, group, 1)

    def expect(self, group: str, count: int) -> None:
        """So many are being loaded."""
        self._coming[group] += count
        self._expected += count

    def unexpect(self, group: str, count: int) -> None:
        """They have been, or fewer."""
        self._expected -= count
        _take(self._coming, group, count)


def _take(counter: Counter[str], name: str, count: int) -> None:
    counter[name] -= count
    if not counter[name]:
        del counter[name]
