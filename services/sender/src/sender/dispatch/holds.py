"""Holds: all lanes of a tenant wait, and one lane goes first when the hold ends. Synchronous, no IO.

That first lane is the *probe*: one with a conversation's send if there is any, because campaigns come after
conversations.

Times are seconds of one clock that the caller passes in.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from common.contracts.messages import MetaError
from sender.dispatch.model import Wait


class Holdable(Protocol):
    """What a hold knows of a lane: its name and tenant, and whether it waits for the hold to end."""

    name: str
    tenant: str
    held: bool

    @property
    def urgent(self) -> bool:
        """Whether it has a conversation's send."""


L = TypeVar("L", bound=Holdable)


@dataclass(eq=False, slots=True)
class _Hold(Generic[L]):
    until: float
    refused: bool = False
    refused_since: float = float("inf")
    reason: MetaError | None = None
    cause: MetaError | None = None
    strikes: int = 0
    released: bool = False
    probe: str | None = None
    urgent: deque[L] = field(default_factory=deque)
    campaigns: deque[L] = field(default_factory=deque)

    def pop(self) -> L | None:
        """The next lane. A lane can be in both queues; an entry is skipped when its lane went by the other one."""
        for lanes in (self.urgent, self.campaigns):
            while lanes:
                lane = lanes.popleft()
                if lane.held:
                    return _freed(lane)
        return None

    def waiting(self) -> list[L]:
        """All lanes that wait, each once."""
        return [lane for lane in dict.fromkeys([*self.urgent, *self.campaigns]) if lane.held]

    def has_waiting(self, *, urgent: bool) -> bool:
        """Whether any lane waits, or any urgent one."""
        while self.urgent and not self.urgent[0].held:
            self.urgent.popleft()
        while self.campaigns and not self.campaigns[0].held:
            self.campaigns.popleft()
        return bool(self.urgent or (self.campaigns and not urgent))


class Holds(Generic[L]):
    """The tenants that are held. A lane that does not pass waits until `pop_ready` or `lift` returns it.

    Sends wait at most `max_seconds` for a tenant that Meta refuses. After that, waiting sends end with the error of the
    hold (`give_up_error`), and only the probe is still tried.
    """

    def __init__(self, max_seconds: float = float("inf")) -> None:
        self._max_seconds = max_seconds
        self._holds: dict[str, _Hold[L]] = {}

    def hold(
        self,
        tenant: str,
        now: float,
        base: float,
        cap: float,
        *,
        refused: bool = False,
        reason: MetaError | None = None,
    ) -> None:
        """Hold the tenant for `base` seconds, doubled each time in a row, at most `cap`.

        During a hold, failures of calls that were already under way do not count as further times. `refused` says that
        Meta refuses the tenant as a whole, so it is more than a short wait; `reason` is why.
        """
        held = self._holds.get(tenant)
        if held is None:
            held = self._holds[tenant] = _Hold(until=now)
        held.refused = refused or (held.refused and now < held.until)
        held.refused_since = min(held.refused_since, now) if held.refused else float("inf")
        held.reason = reason if refused else held.reason
        held.cause = reason or held.cause
        if held.released:
            # The call that failed now was made before the change: one more goes at once.
            held.released, held.until, held.strikes = False, now, 0
        elif now >= held.until:
            held.until = now + min(cap, base * 2**held.strikes)
            held.strikes = min(held.strikes + 1, 30)
        else:
            held.until = max(held.until, now + base)

    def probe_now(self, tenant: str, now: float) -> None:
        """Let a probe try now, because something has changed."""
        held = self._holds.get(tenant)
        if held is not None:
            held.until = min(held.until, now)
            held.refused_since = float("inf")  # the cause of the refusal may be gone
            held.released = held.probe is not None

    def lift(self, tenant: str) -> list[L]:
        """End the hold, because Meta accepts the tenant's sends. Returns all lanes that waited."""
        held = self._holds.pop(tenant, None)
        return [_freed(lane) for lane in held.waiting()] if held else []

    def pop_ready(self, now: float) -> list[L]:
        """One lane of each hold whose time is over, as a probe; or all lanes of a tenant that was refused too long."""
        for held in self._holds.values():
            if self._is_expired(held, now) and held.has_waiting(urgent=False):
                return [_freed(lane) for lane in held.waiting()]
        ready = [held for held in self._holds.values() if held.probe is None and now >= held.until]
        return [lane for lane in (held.pop() for held in ready) if lane is not None]

    def passes(self, lane: L, now: float) -> bool:
        """Whether this lane may go; else it waits from now on. The first lane after the hold's time is the probe.

        A campaign's lane leaves that to an urgent one, if any waits.
        """
        held = self._holds.get(lane.tenant)
        if held is None or held.probe == lane.name:
            return True
        if now >= held.until and held.probe is None and (lane.urgent or not held.has_waiting(urgent=True)):
            held.probe = lane.name
            return True
        if self._is_expired(held, now):
            return True
        lane.held = True
        (held.urgent if lane.urgent else held.campaigns).append(lane)
        return False

    def prioritize(self, lane: L) -> None:
        """The lane has become urgent."""
        held = self._holds.get(lane.tenant)
        if held is not None and lane.held:
            held.urgent.append(lane)

    def end_probe(self, lane: L) -> None:
        """This lane's try is over, whatever its outcome."""
        held = self._holds.get(lane.tenant)
        if held is not None and held.probe == lane.name:
            held.probe = None

    def give_up_error(self, lane: L, now: float) -> MetaError | None:
        """Why the sends of this lane, which has passed, end without a try: Meta refused their tenant for too long.

        None when they may be tried. The probe always may.
        """
        held = self._holds.get(lane.tenant)
        expired = held is not None and held.probe != lane.name and self._is_expired(held, now)
        return held.reason if held is not None and expired else None

    def wait(self, tenant: str, now: float) -> float:
        """Seconds until a probe of the tenant may go; 0 when it is not held, or was held for too long."""
        return max(0.0, self.until(tenant) - now)

    def until(self, tenant: str) -> float:
        """When the tenant may go, or could have gone."""
        held = self._holds.get(tenant)
        return min(held.until, held.refused_since + self._max_seconds) if held is not None else 0.0

    def wait_of(self, tenant: str, now: float) -> Wait | None:
        """Until when a tenant waits, and why; None when it may go."""
        held, until = self._holds.get(tenant), self.until(tenant)
        return Wait(until, held.cause) if held is not None and held.cause is not None and until > now else None

    def waiting(self, tenant: str) -> list[L]:
        """The lanes of a tenant that wait for its hold to end."""
        held = self._holds.get(tenant)
        return held.waiting() if held is not None else []

    def is_refused(self, tenant: str, now: float) -> bool:
        """Whether a tenant is held now because Meta refuses it as a whole."""
        held = self._holds.get(tenant)
        return held is not None and held.refused and held.until > now

    def refused_count(self, now: float) -> int:
        """How many tenants are held now because Meta refuses them as a whole."""
        return sum(held.refused and held.until > now for held in self._holds.values())

    def next_due(self) -> float | None:
        """When `pop_ready` may have something next; None when only an event can bring it."""
        waited = [held for held in self._holds.values() if held.probe is None and held.has_waiting(urgent=False)]
        expiries = [held.refused_since for held in self._holds.values() if held.has_waiting(urgent=False)]
        times = [*(held.until for held in waited), *(since + self._max_seconds for since in expiries)]
        return min((time for time in times if time < float("inf")), default=None)

    def _is_expired(self, held: _Hold[L], now: float) -> bool:
        """Whether Meta has refused a tenant for as long as sends wait for it."""
        return now >= held.refused_since + self._max_seconds


def _freed(lane: L) -> L:
    lane.held = False
    return lane
