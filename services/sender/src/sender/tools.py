"""What all sessions of a process share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from common.telemetry.tenants import Tenants
from sender.ended import Endings
from sender.flow import Flow
from sender.lane import Bounds
from sender.letters import Letters
from sender.paces import Paces, Recent
from sender.parking import Parker
from sender.schedule import Release, Schedule
from sender.settle import Watch
from sender.slots import Slots
from sender.turns import Shares


@dataclass(slots=True)
class Limits:
    """Bounds in counts and seconds. `slots` are the calls in flight, shared by all sessions of the process."""

    slots: Slots
    bounds: Bounds
    drain_seconds: float


@dataclass(frozen=True, slots=True)
class Tools:
    """What all sessions of a process share."""

    flow: Flow
    watch: Watch
    parker: Parker
    letters: Letters
    limits: Limits
    paces: Paces
    shares: Shares
    recent: Recent
    schedules: Callable[[int, Release], Schedule]
    tenants: Tenants
    endings: Endings = field(default_factory=Endings)
