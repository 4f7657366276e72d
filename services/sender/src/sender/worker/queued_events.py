"""The `queued` events that tell a producer why its send waits: one per reason. Synchronous, no IO.

A send behind a held number or an outage causes one event, however long it waits: when the send is parked, or when the
outage has lasted for long. A longer wait causes no further event.
"""

from collections.abc import Container, Sequence
from typing import Final

from common.contracts.sends import SendRequest
from common.kafka.records import Outgoing
from sender.delivery import results
from sender.delivery.attempt import Delivery
from sender.dispatch.lanes import Lanes
from sender.dispatch.model import Item, Wait
from sender.journal.standing import AWAY, BEHIND, FOR_ITS_TIME, moment, wait_of
from sender.records.job import Job

_AWAY_SECONDS: Final = 10.0
"""In an outage a probe goes at least this often."""


class QueuedEvents:
    """The events of one session. An outage is reported after `long_seconds`, except for sends that are `in_doubt`."""

    def __init__(self, flow: Delivery, lanes: Lanes[Job], long_seconds: float, in_doubt: Container[str]) -> None:
        self._flow = flow
        self._lanes = lanes
        self._long_seconds = long_seconds
        self._in_doubt = in_doubt

    def explain(self, items: Sequence[Item[Job]]) -> None:
        """Note on each of these sends, which are to be parked, what it waits for."""
        now = self._flow.now().timestamp()
        for item in items:
            item.wait = wait_of(item, self._lanes.holds.wait_of(item.tenant, now) or self._outage(now))

    def of_parked(self, item: Item[Job]) -> tuple[Outgoing, ...]:
        """The event of a send that is in the store now."""
        wait = item.wait or Wait(item.due, BEHIND)
        return self._once(item, wait)

    def of_scheduled(self, job: Job) -> tuple[Outgoing, ...]:
        """The event of a send that waits for its `sendAt`."""
        return self._waiting(job, Wait(job.send_at, FOR_ITS_TIME))

    def of_outage(self) -> list[Outgoing]:
        """The events of all sends that wait in memory because Meta is away; none in a short outage."""
        wait = self._outage(self._flow.now().timestamp())
        if wait is None:
            return []
        waiting = [item for item in self._lanes.waiting() if item.id not in self._in_doubt]
        return [record for item in waiting for record in self._once(item, wait)]

    def _once(self, item: Item[Job], wait: Wait) -> tuple[Outgoing, ...]:
        reason = wait.error.reason or ""
        if item.told == reason:
            return ()
        item.told = reason
        return self._waiting(item.payload, wait)

    def _outage(self, now: float) -> Wait | None:
        away_for = self._flow.breaker.away_for(now)
        return Wait(now + _AWAY_SECONDS, AWAY) if away_for > self._long_seconds else None

    def _waiting(self, job: Job, wait: Wait) -> tuple[Outgoing, ...]:
        """The event of a wait; none for a read mark, because it is no message."""
        if isinstance(job.request, SendRequest) and job.request.kind == "read":
            return ()
        account, now = self._flow.accounts.get(job.chatbot_id), self._flow.now()
        number = account.phone_number_id if account is not None else None
        return (results.stored(job, number, due=max(now, moment(wait.due)), error=wait.error, now=now),)
