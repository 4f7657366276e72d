"""Where the sends to a name go: into the lane of that name, or of another name of the same person. Synchronous, no IO.

That two names are one person's becomes known while sends to both are under way. What is said to a name must stay in
order all the same, so a name changes its lane only while it has no send anywhere: not in memory, and not in the store.
"""

from collections.abc import Callable, Container


class LaneAliases:
    """The names whose sends are in the lane of another name.

    `named` says what Meta has told about a name at this time. `alive` has the lanes in memory, `backlogged` the groups
    with a backlog in the store, whose lanes are not known.
    """

    def __init__(self, named: Callable[[str], str], alive: Container[str], backlogged: Container[str]) -> None:
        self._named = named
        self._alive = alive
        self._backlogged = backlogged
        self._lanes: dict[str, str] = {}
        self._names: dict[str, tuple[str, set[str]]] = {}

    def lane_of(self, name: str, group: str) -> str:
        """The lane for a send to this name, which goes there now."""
        taken = self._lanes.get(name)
        if taken is not None:
            return taken
        lane = self._named(name)
        if lane == name or name in self._alive or group in self._backlogged:
            return name
        self.take(name, lane, group)
        return lane

    def take(self, name: str, lane: str, group: str) -> None:
        """Sends to this name are in that lane."""
        if name != lane:
            self._lanes[name] = lane
            self._names.setdefault(lane, (group, set()))[1].add(name)

    def emptied(self, lane: str) -> None:
        """The lane has no send left, unless its group's backlog has."""
        if lane in self._names and self._names[lane][0] not in self._backlogged:
            for name in self._names.pop(lane)[1]:
                del self._lanes[name]

    def backlog_ended(self, group: str) -> None:
        """The group has nothing in the store that its lanes do not know of."""
        if self._names and group not in self._backlogged:
            for lane in [lane for lane, (of, _) in self._names.items() if of == group and lane not in self._alive]:
                self.emptied(lane)
