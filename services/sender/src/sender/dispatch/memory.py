"""How many more sends may come into memory: counted per tenant and in all, with loads under way. Synchronous, no IO."""

from collections import Counter
from collections.abc import Mapping

from sender.dispatch.model import Bounds


class MemoryBudget:
    """The counts of one session. `writing` are sends on their way into the store.

    **Invariants:**
    - A tenant's campaigns have at most half of its memory. The other half is for conversations.
    - A tenant that has very little in memory has space even when the others have filled it. So a flood of theirs does
      not shut it out.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._by_tenant: Counter[str] = Counter()
        self._reserved_by_tenant: Counter[str] = Counter()
        self._reserved = 0
        self.size = 0
        self.writing = 0

    def by_tenant(self) -> Mapping[str, int]:
        """How many sends are in memory, by tenant."""
        return self._by_tenant

    def has_space(self, tenant: str, *, bulk: bool) -> bool:
        """Whether another send of this tenant may come in; `bulk` asks for a campaign's."""
        bounds = self._bounds
        of_tenant = self._by_tenant[tenant] + self._reserved_by_tenant[tenant]
        if of_tenant >= (bounds.bulk if bulk else bounds.tenant):
            return False
        in_all = self.size + self._reserved + self.writing
        return in_all < bounds.total or (of_tenant < bounds.least and in_all < 2 * bounds.total)

    def add(self, tenant: str) -> None:
        """Count one send that has come in."""
        self._by_tenant[tenant] += 1
        self.size += 1

    def remove(self, tenant: str) -> None:
        """Count one send less."""
        self.size -= 1
        _take(self._by_tenant, tenant, 1)

    def reserve(self, tenant: str, count: int) -> None:
        """Keep space for this many, which are being loaded."""
        self._reserved_by_tenant[tenant] += count
        self._reserved += count

    def unreserve(self, tenant: str, count: int) -> None:
        """The load has ended, however many it brought."""
        self._reserved -= count
        _take(self._reserved_by_tenant, tenant, count)


def _take(counter: Counter[str], name: str, count: int) -> None:
    counter[name] -= count
    if not counter[name]:
        del counter[name]
