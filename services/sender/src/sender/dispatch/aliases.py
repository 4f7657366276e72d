"""Which lane takes the sends to a name: its own, or that of another name of the same person. Synchronous, no IO.

Meta may name two names as one person's while sends to both are under way. The sends to each name must stay in order
all the same. So a name changes its lane only while it has no send in memory or in the store.
"""

from collections.abc import Callable, Container


class LaneAliases:
    """The names whose sends are in the lane of another name.

    `name_of` gives the name that Meta has told for a name by now. `in_memory` has the lanes in memory, `backlogged` the
    tenants with a backlog in the store, whose lanes are not known.
    """

    def __init__(self, name_of: Callable[[str], str], in_memory: Container[str], backlogged: Container[str]) -> None:
        self._name_of = name_of
        self._in_memory = in_memory
        self._backlogged = backlogged
        self._lanes: dict[str, str] = {}
        self._names: dict[str, tuple[str, set[str]]] = {}

    def lane_of(self, name: str, tenant: str) -> str:
        """The lane for a send to this name, which goes there now."""
        assigned = self._lanes.get(name)
        if assigned is not None:
            return assigned
        lane = self._name_of(name)
        if lane == name or name in self._in_memory or tenant in self._backlogged:
            return name
        self.assign(name, lane, tenant)
        return lane

    def assign(self, name: str, lane: str, tenant: str) -> None:
        """Put sends to this name into that lane."""
        if name != lane:
            self._lanes[name] = lane
            self._names.setdefault(lane, (tenant, set()))[1].add(name)

    def lane_emptied(self, lane: str) -> None:
        """The lane has no send left, unless its tenant's backlog has one."""
        if lane in self._names and self._names[lane][0] not in self._backlogged:
            for name in self._names.pop(lane)[1]:
                del self._lanes[name]

    def backlog_ended(self, tenant: str) -> None:
        """The lanes know all of the tenant's sends in the store now, unless it still has a backlog."""
        if self._names and tenant not in self._backlogged:
            for lane in [lane for lane, (of, _) in self._names.items() if of == tenant and lane not in self._in_memory]:
                self.lane_emptied(lane)
