"""What all sessions of a process share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from common.telemetry.tenants import Tenants
from sender.delivery.attempt import Delivery
from sender.delivery.doubt.reconcile import DoubtWatcher
from sender.delivery.end_log import EndLog
from sender.dispatch.fair_queue import VirtualClock
from sender.dispatch.model import Bounds
from sender.limits.numbers import RateLimits, RecentSends
from sender.waiting.adoption import Adoption
from sender.waiting.parking import ParkingWriters
from sender.waiting.scheduler import Release, Scheduler
from sender.worker.dead_letters import DeadLetterCounts
from sender.worker.intake.read_ahead import ReadAheadBudget
from sender.worker.permits import PrioritySemaphore


@dataclass(slots=True)
class Limits:
    """Bounds in counts and seconds. All sessions of the process share `permits` (calls in flight) and `read_ahead`."""

    permits: PrioritySemaphore
    bounds: Bounds
    drain_seconds: float
    read_ahead: ReadAheadBudget


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What all sessions of a process share. `dated_since` asks MongoDB for that of `judge`."""

    delivery: Delivery
    doubt_watcher: DoubtWatcher
    parking_writers: ParkingWriters
    dead_letters: DeadLetterCounts
    limits: Limits
    rate_limits: RateLimits
    virtual_clock: VirtualClock
    recent_sends: RecentSends
    scheduler_of: Callable[[int, Release], Scheduler]
    adoption: Adoption
    dated_since: Callable[[], Awaitable[float]]
    tenants: Tenants
    end_log: EndLog = field(default_factory=EndLog)
