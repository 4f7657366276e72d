"""Takes the next send from the lanes as soon as a call may be made, and runs its step."""

import asyncio
import time
from functools import partial
from typing import Final

from common.contracts.send_headers import SET_ASIDE
from common.tasks import cancel
from common.telemetry import spans
from sender import telemetry
from sender.dispatch.model import Item, Load, LoadBacklog
from sender.limits.numbers import Reservation
from sender.outcomes import Apart
from sender.records.job import Job
from sender.worker.commits import CommitEntry
from sender.worker.effects import Effects
from sender.worker.parts import WorkerParts
from sender.worker.queued_events import QueuedEvents
from sender.worker.state import SessionState
from sender.worker.storage import Storage

_AWAY_POLL_SECONDS: Final = 0.25


class Dispatcher:
    """The loop of one session that starts steps and loads. The lanes decide what goes next; this class does it.

    **Invariants:**
    - A permit is taken before a send is, and given back when its step ends.
    - The journal is read first for a send that was tried before, parked, replayed, set aside, or is in doubt.
    - A send that is set aside is stored before its lane goes on: until then, its record is the only copy.
    """

    def __init__(
        self,
        state: SessionState,
        parts: WorkerParts,
        storage: Storage,
        effects: Effects,
        queued_events: QueuedEvents,
        owner: str,
    ) -> None:
        self._state = state
        self._lanes = state.lanes
        self._commits = state.commits
        self._tasks = state.tasks
        self._changed = state.changed
        self._slot = state.kafka.slot
        self._storage = storage
        self._parking = storage.parking
        self._scheduler = storage.scheduler
        self._effects = effects
        self._queued_events = queued_events
        self._owner = owner
        self._delivery = parts.delivery
        self._breaker = parts.delivery.breaker
        self._permits = parts.limits.permits
        self._drain_seconds = parts.limits.drain_seconds
        self._rates = parts.rate_limits
        self._tenants = parts.tenants
        self._end_log = parts.end_log
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Dispatch until cancelled."""
        permits, breaker = self._permits, self._breaker
        while True:
            await permits.acquire(self._urgency)
            away = breaker.wait(self._now())
            found = self._lanes.take(self._now()) if not away else None
            self._storage.park_leaving()
            if not isinstance(found, Item):
                permits.release()
                if found is None:
                    for event in self._queued_events.of_outage():
                        self._commits.write(CommitEntry((event,)))
                    await self._until_changed(away)
                else:
                    self._tasks.start(self._load(found), f"load {self._slot}")
                continue
            breaker.began(found.id)
            task = self._tasks.start(self._step(found), f"send {found.id}")
            self._state.steps.add(task)
            task.add_done_callback(partial(self._step_done, found.id))

    async def finish_steps(self) -> None:
        """Wait for the steps under way, up to the drain time; then cancel what is left."""
        if self._state.steps:
            _, late = await asyncio.wait(self._state.steps, timeout=self._drain_seconds)
            await cancel(late)

    async def _until_changed(self, away: float) -> None:
        due = self._lanes.next_due()
        # The probe of an outage may belong to another session, which does not tell this one when it fails.
        wait = min(away, _AWAY_POLL_SECONDS) or (None if due is None else max(0.0, due - self._now()))
        timer = None if wait is None else self._loop.call_later(wait, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            if timer is not None:
                timer.cancel()
        self._changed.clear()

    async def _load(self, load: Load | LoadBacklog) -> None:
        loading = self._parking.load(load) if isinstance(load, Load) else self._parking.load_backlog(load)
        for superfluous in await loading:
            self._effects.finish_record(superfluous)
        self._changed.set()

    async def _step(self, item: Item[Job]) -> None:
        job, began = item.payload, time.time_ns()
        spans.follow(job.trace)
        known = item.attempt > 0 or item.strikes > 0 or item.parked is not None or job.replay > 0
        known = known or SET_ASIDE in job.headers
        doubted = item.id in self._state.in_doubt
        look = known or doubted
        ends = self._lanes.give_up_error(item, self._now())
        reservation = Reservation(self._rates.number(item.tenant), paced=item.paced)
        try:
            step = await self._delivery.step(
                job,
                owner=self._owner,
                strikes=item.strikes,
                look=look,
                doubted=doubted,
                ends=ends,
                calling=reservation.used,
            )
        finally:
            reservation.close()
        if step.contested:
            self._commits.prove_ownership()
        if isinstance(step.outcome, Apart):
            await self._scheduler.set_aside(job, step.outcome.due.timestamp(), step.outcome.subject)
        self._effects.apply(item, step)
        telemetry.note_step(job, step, self._tenants, self._state.kafka.group, began)
        self._end_log.note(job, step)
        self._storage.park_leaving()

    def _step_done(self, send: str, task: "asyncio.Task[None]") -> None:
        self._state.steps.discard(task)
        self._breaker.ended(send, self._now())
        self._permits.release()
        self._changed.set()

    def _urgency(self) -> float:
        return self._lanes.urgency(self._now())

    def _now(self) -> float:
        return self._delivery.now().timestamp()
