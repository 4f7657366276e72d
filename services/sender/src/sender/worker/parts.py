"""What all sessions of a process share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from common.telemetry.tenants import Tenants
from sender.delivery.attempt import Delivery
from sender.delivery.end_log import EndLog
from sender.delivery.reconcile import DoubtWatcher
from sender.dispatch.fair_queue import VirtualClock
from sender.dispatch.model import Bounds
from sender.limits.numbers import RateLimits, RecentSends
from sender.waiting.parking import ParkingWriters
from sender.waiting.scheduler import Release, Scheduler
from sender.worker.dead_letters import DeadLetterCounts
from sender.worker.permits import PrioritySemaphore


@dataclass(slots=True)
class Limits:
    """Bounds in counts and seconds. `slots` are the calls in flight, shared by all sessions of the process."""

    slots: PrioritySemaphore
    bounds: Bounds
    drain_seconds: float


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What all sessions of a process share."""

    flow: Delivery
    watch: DoubtWatcher
    parker: ParkingWriters
    letters: DeadLetterCounts
    limits: Limits
    paces: RateLimits
    shares: VirtualClock
    recent: RecentSends
    schedules: Callable[[int, Release], Scheduler]
    tenants: Tenants
    endings: EndLog = field(default_factory=EndLog)
