"""Statuses change the journal: Meta has a send that was in doubt, or a send that Meta accepted failed later.

Sessions that wait for the end of a doubt are notified.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from common.contracts.envelope import decode, decoder
from common.contracts.journal import Entry
from common.contracts.messages import MessageStatus, MetaError, StatusData
from common.errors import InvalidInput, Unavailable
from common.kafka.consume.at_least_once import Batch
from common.tasks import Periodic
from sender.cas_token import new_token
from sender.clock import utc_now
from sender.delivery.transitions import clear_failure, fail_later, settle
from sender.group_commit import GroupCommit
from sender.journal.store import JournalStore
from sender.journal.transition import Transition
from sender.limits.opt_outs import has_opted_out

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.25
_STATUS: Final = decoder(MessageStatus)
_FAILED: Final = "failed"
_ARRIVED: Final = frozenset({"delivered", "read", "played"})


class StatusReconciler:
    """Reads `message-status`. A status with a wamid shows that Meta has the message, even if the answer was lost.

    - The status must carry our callback data, because its wamid is unknown when the answer was lost.
    - It counts only for a send from the number on which it arrived, and from the account of that number (P8).
    - A failure is recorded even for a send that has ended. Other statuses of ended sends are not looked up.
    - `on_status` gets every status, `on_opted_out` those that report an opt-out from marketing messages.
    """

    def __init__(
        self,
        store: JournalStore,
        transitions: GroupCommit[Transition, Entry],
        on_status: Callable[[StatusData], None] = lambda _status: None,
        on_opted_out: Callable[[StatusData, datetime], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._transitions = transitions
        self._on_status = on_status
        self._on_opted_out = on_opted_out

    async def handle(self, batch: Batch) -> None:
        """Apply a batch of statuses. Harmless to repeat; raises `Unavailable` when MongoDB does not answer."""
        statuses = _statuses(batch)
        for status in statuses:
            self._on_status(status)
            if self._on_opted_out is not None and has_opted_out(status):
                await self._on_opted_out(status, utc_now())
        seen = _by_send(statuses)
        if seen:
            failed = [key for key, of_send in seen.items() if any(map(is_failure, of_send))]
            entries = await self._store.unsettled_among(list(seen), failed)
            await asyncio.gather(*(self._settle(entry, statuses_of(entry, seen[entry.id])) for entry in entries))

    async def _settle(self, entry: Entry, statuses: Sequence[StatusData]) -> None:
        standing = entry
        for status in statuses:
            while (transition := transition_of(standing, status, token=new_token(), now=utc_now())) is not None:
                was = standing.state
                standing = await self._transitions.submit(transition)
                if standing.token == transition.won and was is not standing.state:
                    log.info("settled by a status", extra={"journal_id": entry.id, "was": str(was)})


class DoubtWatcher:
    """Tells sessions when one of their sends in doubt has been settled, by this or another process.

    Asks the journal only while a session waits, with one query for all of them. `any_in_doubt` is set while any send is
    in doubt.
    """

    def __init__(self, store: JournalStore) -> None:
        self._store = store
        self._waiting: dict[str, Callable[[str], None]] = {}
        self.any_in_doubt = asyncio.Event()
        self._looking = Periodic(self._look, _POLL_SECONDS, name="watch doubts")

    async def start(self) -> None:
        """Begin to look."""
        await self._looking.start()

    async def stop(self) -> None:
        """Stop looking."""
        await self._looking.stop()

    def add(self, journal_id: str, on_settled: Callable[[str], None]) -> None:
        """Call `on_settled(journal_id)` once, when the entry has ended."""
        self._waiting[journal_id] = on_settled
        self.any_in_doubt.set()

    def remove(self, journal_id: str) -> None:
        """Stop watching this entry."""
        self._waiting.pop(journal_id, None)

    async def _look(self) -> None:
        await self.any_in_doubt.wait()
        try:
            for journal_id in await self._store.ended_among(list(self._waiting)):
                on_settled = self._waiting.pop(journal_id, None)
                if on_settled is not None:
                    on_settled(journal_id)
        except Unavailable as error:
            log.warning("could not look for settled sends", extra={"error": error.message})
        if not self._waiting:
            self.any_in_doubt.clear()


def transition_of(entry: Entry, status: StatusData, *, token: str, now: datetime) -> Transition | None:
    """The change that a status makes in the entry of its send; None when there is nothing (more) to change. Pure.

    A failure counts only while it is the latest state of the message, because Meta may report the failure of one device
    beside the delivery to another.
    """
    wamid = status.wamid or ""
    settled = settle(entry, wamid, status.contact, token=token, now=now)
    if settled is not None:
        return settled
    if is_failure(status):
        failure = status.error or MetaError(reason="unknown")
        return fail_later(entry, wamid, failure, token=token, failed_at=status.timestamp or now)
    return clear_failure(entry, wamid, token=token) if status.delivery_status in _ARRIVED else None


def is_failure(status: StatusData) -> bool:
    """Whether the status reports a failure, and the message is not known to be delivered. Pure."""
    return status.status == _FAILED and status.delivery_status == _FAILED


def statuses_of(entry: Entry, statuses: Sequence[StatusData]) -> list[StatusData]:
    """The statuses that may change this send: of its number, and of no other account. Pure."""
    if entry.phone_number_id is None:
        return []
    of_number = (status for status in statuses if status.phone_number_id == entry.phone_number_id)
    return [status for status in of_number if status.chatbot_id in (None, entry.chatbot_id)]


def _by_send(statuses: Sequence[StatusData]) -> dict[str, list[StatusData]]:
    seen: dict[str, list[StatusData]] = {}
    for status in statuses:
        if status.journal_id is not None and status.wamid is not None:
            seen.setdefault(status.journal_id, []).append(status)
    return seen


def _statuses(batch: Batch) -> Sequence[StatusData]:
    statuses = []
    for record in batch:
        try:
            statuses.append(decode(_STATUS, record.value).data)
        except InvalidInput as error:
            log.warning("could not parse a status", extra={"offset": record.offset, "error": error.message})
    return statuses
