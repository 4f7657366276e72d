"""What of a group is in the store because there is no room for it: read on in the order of its coming. No IO.

A lane that waits has a tail of its own in the store. What is merely too much has not: it is one *backlog* per group,
of which memory knows only how far it was read. So a campaign of a million messages costs disk and not memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Backlog:
    """`after` is the order of the last that was read, `stored` of the last that can be; `version` grows with it."""

    after: int = -1
    stored: int = -1
    writing: int = 0
    reading: bool = False
    version: int = 0


class Backlogs:
    """The backlogs of one session."""

    def __init__(self) -> None:
        self._backlogs: dict[str, Backlog] = {}

    def __contains__(self, group: object) -> bool:
        return group in self._backlogs

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._backlogs))

    def known(self, group: str, last: int) -> None:
        """The store has some, up to this order (known when a session begins)."""
        self._backlogs[group] = Backlog(stored=last)

    def grow(self, group: str) -> None:
        """One more is on its way into the store; say `stored` when it is there."""
        backlog = self._backlogs.setdefault(group, Backlog())
        backlog.writing += 1
        backlog.version += 1

    def stored(self, group: str, count: int, last: int) -> None:
        """So many are in the store now, up to this order; they come in order."""
        backlog = self._backlogs[group]
        backlog.writing -= count
        backlog.stored = max(backlog.stored, last)

    def readable(self, group: str) -> bool:
        """Whether there is something that nobody reads now."""
        backlog = self._backlogs[group]
        return not backlog.reading and backlog.after < backlog.stored

    def begin(self, group: str) -> tuple[int, int, int]:
        """Read: behind which order, up to which, and the version to say at the end."""
        backlog = self._backlogs[group]
        backlog.reading = True
        return backlog.after, backlog.stored, backlog.version

    def end(self, group: str, version: int, upto: int, *, more: bool) -> None:
        """It was read up to this order; unless there is `more`, or more has come, it is over."""
        backlog = self._backlogs[group]
        backlog.reading = False
        backlog.after = upto
        if not more and backlog.version == version and not backlog.writing and backlog.stored <= upto:
            del self._backlogs[group]
