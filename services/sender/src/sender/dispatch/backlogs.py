"""The sends of a tenant that are in the store because memory is full. They are read on in order. No IO.

A lane that waits has a tail of its own in the store. Sends beyond a tenant's memory limit form its *backlog*: one per
tenant, of which memory knows only how far it was read. So a campaign of a million messages costs disk and not memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Backlog:
    """`after` is the order of the last send that was read, `stored` of the last in the store.

    `version` grows with each send that is added.
    """

    after: int = -1
    stored: int = -1
    writing: int = 0
    reading: bool = False
    version: int = 0


class Backlogs:
    """The backlogs of one session."""

    def __init__(self) -> None:
        self._backlogs: dict[str, Backlog] = {}

    def __contains__(self, tenant: object) -> bool:
        return tenant in self._backlogs

    def __len__(self) -> int:
        return len(self._backlogs)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._backlogs))

    def restore(self, tenant: str, last: int) -> None:
        """The store has a backlog from before this session, up to this order."""
        self._backlogs[tenant] = Backlog(stored=last)

    def grow(self, tenant: str) -> None:
        """One more send is on its way into the store; `stored` follows when it is there."""
        backlog = self._backlogs.setdefault(tenant, Backlog())
        backlog.writing += 1
        backlog.version += 1

    def stored(self, tenant: str, count: int, last: int) -> None:
        """This many more are in the store now, up to this order; they come in order."""
        backlog = self._backlogs[tenant]
        backlog.writing -= count
        backlog.stored = max(backlog.stored, last)

    def is_readable(self, tenant: str) -> bool:
        """Whether there is more to read, and no read is under way."""
        backlog = self._backlogs[tenant]
        return not backlog.reading and backlog.after < backlog.stored

    def begin_read(self, tenant: str) -> tuple[int, int, int]:
        """Begin to read: returns after which order, up to which, and the version for `end_read`."""
        backlog = self._backlogs[tenant]
        backlog.reading = True
        return backlog.after, backlog.stored, backlog.version

    def end_read(self, tenant: str, version: int, upto: int, *, more: bool) -> None:
        """It was read up to this order. Without `more`, and if none was added meanwhile, the backlog is over."""
        backlog = self._backlogs[tenant]
        backlog.reading = False
        backlog.after = upto
        if not more and backlog.version == version and not backlog.writing and backlog.stored <= upto:
            del self._backlogs[tenant]
