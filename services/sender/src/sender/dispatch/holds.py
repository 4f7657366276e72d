"""Gates: a group of lanes that is held as a whole, and let go again one lane first. Synchronous, no IO.

The first is one that somebody waits for, if there is any: campaigns come after conversations.

Times are seconds of one clock that the caller passes in.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from common.contracts.messages import MetaError
from sender.dispatch.model import Wait


class Holdable(Protocol):
    """What a gate knows of a lane: its name and group, and whether it waits at the gate."""

    name: str
    group: str
    held: bool

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for it."""


L = TypeVar("L", bound=Holdable)


@dataclass(eq=False, slots=True)
class _HeldGroup(Generic[L]):
    until: float
    refused: bool = False
    refused_since: float = float("inf")
    reason: MetaError | None = None
    cause: MetaError | None = None
    strikes: int = 0
    released: bool = False
    probe: str | None = None
    first: deque[L] = field(default_factory=deque)
    later: deque[L] = field(default_factory=deque)

    def pop(self) -> L | None:
        """The next lane; those that were let go by their other entry are passed over."""
        for lanes in (self.first, self.later):
            while lanes:
                lane = lanes.popleft()
                if lane.held:
                    return _freed(lane)
        return None

    def waiting(self) -> list[L]:
        """All lanes that wait, each once."""
        return [lane for lane in dict.fromkeys([*self.first, *self.later]) if lane.held]

    def is_waited_at(self, *, awaited: bool) -> bool:
        """Whether any lane waits here, or any that somebody waits for."""
        while self.first and not self.first[0].held:
            self.first.popleft()
        while self.later and not self.later[0].held:
            self.later.popleft()
        return bool(self.first or (self.later and not awaited))


class Holds(Generic[L]):
    """The gates that are shut. A lane that may not pass waits at its gate until `let_go` or `open` returns it.

    A group that is refused is waited for at most `most` seconds. After that its lanes pass, to be ended (`ends`), while
    one of them goes on to be the probe in its time.
    """

    def __init__(self, most: float = float("inf")) -> None:
        self._most = most
        self._gates: dict[str, _HeldGroup[L]] = {}

    def hold(
        self, group: str, now: float, base: float, cap: float, *, refused: bool = False, reason: MetaError | None = None
    ) -> None:
        """Shut the gate for `base` seconds, doubled each time in a row, at most `cap`.

        While it is shut, further failures of calls already under way do not count as times. `refused` says that the
        group as a whole is refused and does not just wait a little; `reason` is why.
        """
        gate = self._gates.get(group)
        if gate is None:
            gate = self._gates[group] = _HeldGroup(until=now)
        gate.refused = refused or (gate.refused and now < gate.until)
        gate.refused_since = min(gate.refused_since, now) if gate.refused else float("inf")
        gate.reason = reason if refused else gate.reason
        gate.cause = reason or gate.cause
        if gate.released:
            # What has failed now was tried before the change: one more goes at once.
            gate.released, gate.until, gate.strikes = False, now, 0
        elif now >= gate.until:
            gate.until = now + min(cap, base * 2**gate.strikes)
            gate.strikes = min(gate.strikes + 1, 30)
        else:
            gate.until = max(gate.until, now + base)

    def release(self, group: str, now: float) -> None:
        """Let a probe try now."""
        gate = self._gates.get(group)
        if gate is not None:
            gate.until = min(gate.until, now)
            gate.refused_since = float("inf")  # what it was refused for may be gone
            gate.released = gate.probe is not None

    def open(self, group: str) -> list[L]:
        """The group does well: all lanes that waited."""
        gate = self._gates.pop(group, None)
        return [_freed(lane) for lane in gate.waiting()] if gate else []

    def let_go(self, now: float) -> list[L]:
        """The lanes that may try as probes: one of each gate whose time is over; and all of those that wait no more."""
        for gate in self._gates.values():
            if self._is_over(gate, now) and gate.is_waited_at(awaited=False):
                return [_freed(lane) for lane in gate.waiting()]
        ready = [gate for gate in self._gates.values() if gate.probe is None and now >= gate.until]
        return [lane for lane in (gate.pop() for gate in ready) if lane is not None]

    def passes(self, lane: L, now: float) -> bool:
        """Whether this lane may go; else it waits from now on. The first after the time is the probe.

        One that nobody waits for leaves that to another that somebody waits for.
        """
        gate = self._gates.get(lane.group)
        if gate is None or gate.probe == lane.name:
            return True
        if now >= gate.until and gate.probe is None and (lane.awaited or not gate.is_waited_at(awaited=True)):
            gate.probe = lane.name
            return True
        if self._is_over(gate, now):
            return True
        lane.held = True
        (gate.first if lane.awaited else gate.later).append(lane)
        return False

    def prefer(self, lane: L) -> None:
        """Somebody waits for this lane now."""
        gate = self._gates.get(lane.group)
        if gate is not None and lane.held:
            gate.first.append(lane)

    def end_probe(self, lane: L) -> None:
        """This lane has had its try, however that went."""
        gate = self._gates.get(lane.group)
        if gate is not None and gate.probe == lane.name:
            gate.probe = None

    def ends(self, lane: L, now: float) -> MetaError | None:
        """Why this lane, which has passed, is not to be tried any more: its group was refused for too long.

        None when it may be tried. The probe always is.
        """
        gate = self._gates.get(lane.group)
        over = gate is not None and gate.probe != lane.name and self._is_over(gate, now)
        return gate.reason if gate is not None and over else None

    def wait(self, group: str, now: float) -> float:
        """Seconds until a probe of the group may go; 0 when its gate is open, or nothing waits at it any more."""
        return max(0.0, self.until(group) - now)

    def until(self, group: str) -> float:
        """When the group may go, or could have."""
        gate = self._gates.get(group)
        return min(gate.until, gate.refused_since + self._most) if gate is not None else 0.0

    def wait_of(self, group: str, now: float) -> Wait | None:
        """Until when a group waits, and why; None when it may go."""
        gate, until = self._gates.get(group), self.until(group)
        return Wait(until, gate.cause) if gate is not None and gate.cause is not None and until > now else None

    def waiting(self, group: str) -> list[L]:
        """The lanes that wait at the gate of a group."""
        gate = self._gates.get(group)
        return gate.waiting() if gate is not None else []

    def is_refused(self, group: str, now: float) -> bool:
        """Whether a group may not go now because it is refused as a whole."""
        gate = self._gates.get(group)
        return gate is not None and gate.refused and gate.until > now

    def refused(self, now: float) -> int:
        """How many groups may not go now because they are refused as a whole."""
        return sum(gate.refused and gate.until > now for gate in self._gates.values())

    def next_due(self) -> float | None:
        """When `let_go` may have something next; None when only an event can bring it."""
        waited = [gate for gate in self._gates.values() if gate.probe is None and gate.is_waited_at(awaited=False)]
        overs = [gate.refused_since + self._most for gate in self._gates.values() if gate.is_waited_at(awaited=False)]
        return min((time for time in [*(gate.until for gate in waited), *overs] if time < float("inf")), default=None)

    def _is_over(self, gate: _HeldGroup[L], now: float) -> bool:
        """Whether a group was refused for as long as anything waits for it."""
        return now >= gate.refused_since + self._most


def _freed(lane: L) -> L:
    lane.held = False
    return lane
