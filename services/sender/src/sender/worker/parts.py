"""What all sessions of a process share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from common.telemetry.tenants import Tenants
from sender.delivery.attempt import Flow
from sender.delivery.end_log import Endings
from sender.delivery.reconcile import Watch
from sender.dispatch.fair_queue import Shares
from sender.dispatch.model import Bounds
from sender.limits.numbers import Paces, Recent
from sender.waiting.parking import Parker
from sender.waiting.scheduler import Release, Schedule
from sender.worker.dead_letters import Letters
from sender.worker.permits import Slots


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
