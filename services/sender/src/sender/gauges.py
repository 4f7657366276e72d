"""The gauges of the sender: sends that wait, rates of numbers, and whether Meta is down."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from common.errors import Unavailable
from common.mongo import Database, or_unavailable
from common.tasks import Periodic
from common.telemetry import metrics
from common.telemetry.metrics import OTHER, Values
from common.telemetry.tenants import Tenants
from sender.limits.circuit_breaker import CircuitBreaker
from sender.limits.numbers import RateLimits
from sender.waiting.parked_store import COLLECTION as PARKED
from sender.waiting.scheduled_store import COLLECTION as SCHEDULED
from sender.worker.worker import SenderWorker

log = logging.getLogger(__name__)

_EVERY_SECONDS: Final = 15.0
_KINDS: Final = {"parked": PARKED, "scheduled": SCHEDULED}


class SenderGauges:
    """The gauges of a process's sessions, from `start` to `stop`."""

    def __init__(self, worker: SenderWorker, paces: RateLimits, breaker: CircuitBreaker, tenants: Tenants) -> None:
        self._worker = worker
        self._paces = paces
        self._breaker = breaker
        self._tenants = tenants
        self._removes: list[Callable[[], None]] = []
        self._told: set[str] = set()

    async def start(self) -> None:
        """Register the gauges."""
        self._removes = [
            metrics.SENDS_WAITING.add(self._by_state),
            metrics.TENANT_WAITING.add(self._by_tenant),
            metrics.NUMBERS_HELD.add(self._held),
            metrics.BREAKER_OPEN.add(lambda: [((), float(self._breaker.is_open))]),
            metrics.NUMBER_RATE.add(lambda: self._by_number(lambda pace, _: pace.rate)),
            metrics.NUMBER_TOKENS.add(lambda: self._by_number(lambda pace, now: pace.available(now))),
        ]

    async def stop(self) -> None:
        """Remove the gauges."""
        for remove in self._removes:
            remove()
        self._removes = []

    def _by_state(self) -> Values:
        """Sends in memory that are under way, ready, in doubt, or wait for something else."""
        sessions = self._worker.sessions
        ready, in_doubt = sum(s.lanes.ready() for s in sessions), sum(len(s.state.in_doubt) for s in sessions)
        in_flight = sum(len(s.state.steps) for s in sessions)
        blocked = max(0, sum(s.lanes.memory.size for s in sessions) - ready - in_doubt - in_flight)
        return [(("in_flight",), in_flight), (("ready",), ready), (("in_doubt",), in_doubt), (("blocked",), blocked)]

    def _by_tenant(self) -> Values:
        """Includes tenants for whom nothing waits now, because Prometheus cannot see the end of a series."""
        waiting: Counter[str] = Counter(dict.fromkeys(self._told, 0))
        for session in self._worker.sessions:
            for tenant, count in session.lanes.memory.by_tenant().items():
                waiting[self._tenants.name(tenant)] += count
        self._told.update(waiting)
        return [((name,), count) for name, count in waiting.items()]

    def _held(self) -> Values:
        """Numbers that are held because Meta refuses their token, their account or themselves."""
        now = time.time()
        return [((), sum(session.lanes.holds.refused_count(now) for session in self._worker.sessions))]

    def _by_number(self, value: Callable[..., float]) -> Values:
        """Only numbers with a label of their own, because the sum of the other rates would mean nothing.

        And only numbers of this process: the rate of a number that another process owns now is kept and looks full.
        """
        now, sessions = time.time(), self._worker.sessions
        for chatbot_id, pace in self._paces.numbers():
            if self._tenants.name(chatbot_id) != OTHER and any(session.owns(chatbot_id) for session in sessions):
                yield (chatbot_id,), value(pace, now)


class WaitingCounts:
    """How many sends wait in MongoDB, counted now and then. It covers all senders, so each reports the same."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counts: dict[str, int] = {}
        self._counting = Periodic(self._look, _EVERY_SECONDS, name="count parked sends")
        self._remove: Callable[[], None] | None = None

    async def start(self) -> None:
        """Begin to look; returns at once."""
        self._remove = metrics.SENDS_PARKED.add(self._read)
        await self._counting.start()

    async def stop(self) -> None:
        """Stop looking."""
        if self._remove is not None:
            self._remove()
        await self._counting.stop()

    def _read(self) -> Iterable[tuple[tuple[str], float]]:
        return [((kind,), count) for kind, count in self._counts.items()]

    async def _look(self) -> None:
        try:
            for kind, collection in _KINDS.items():
                with or_unavailable():
                    # From the collection's metadata, because counting millions costs as much as reading them.
                    self._counts[kind] = await self._database[collection].estimated_document_count()
        except Unavailable as error:
            log.warning("could not count parked sends", extra={"error": error.message})
