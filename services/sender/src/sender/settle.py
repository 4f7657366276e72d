"""In doubt: what a status says about a send that we do not know the end of, and telling those who wait for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from common.contracts.envelope import decode, decoder
from common.contracts.messages import MessageStatus, StatusData
from common.errors import InvalidInput, Unavailable
from common.kafka.follower import Batch
from common.tasks import cancel
from sender.batching import GroupCommit
from sender.flow import utc_now
from sender.journal import Entry, Move
from sender.moves import settle
from sender.optouts import has_opted_out
from sender.store import JournalStore
from sender.tokens import new_token

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.25
_STATUS: Final = decoder(MessageStatus)


class Settler:
    """Reads `message-status`: a status with a wamid says that Meta has the message, whatever we know of the call.

    It has to carry our callback data: its wamid does not say whose it is, because the lost answer would have told that.
    A status counts only for a send that went out from the number on which the status arrived, and from the account
    that the number belongs to (P8). `on_status` is told of every status, `on_opted_out` of those that say that a person
    has stopped marketing messages.
    """

    def __init__(
        self,
        store: JournalStore,
        moves: GroupCommit[Move, Entry],
        on_status: Callable[[StatusData], None] = lambda _status: None,
        on_opted_out: Callable[[StatusData, datetime], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._moves = moves
        self._on_status = on_status
        self._on_opted_out = on_opted_out

    async def handle(self, batch: Batch) -> None:
        """Settle what the batch speaks of. Harmless to repeat; raises `Unavailable` when MongoDB is away."""
        statuses = _statuses(batch)
        for status in statuses:
            self._on_status(status)
            if self._on_opted_out is not None and has_opted_out(status):
                await self._on_opted_out(status, utc_now())
        seen = _seen(statuses)
        if seen:
            entries = await self._store.unsettled_among(list(seen))
            found = [(entry, told_of(entry, seen[entry.id])) for entry in entries]
            await asyncio.gather(*(self._settle(entry, status) for entry, status in found if status is not None))

    async def _settle(self, entry: Entry, status: StatusData) -> None:
        standing = entry
        while True:
            move = settle(standing, status.wamid or "", status.contact, token=new_token(), now=utc_now())
            if move is None:
                return
            standing = await self._moves.submit(move)
            if standing.token == move.won:
                log.info("settled by a status", extra={"journal_id": entry.id, "was": str(entry.state)})
                return


class Watch:
    """Tells sessions when a send of theirs that is in doubt has been settled, by whichever process.

    Asks the journal only while somebody waits, for all of them at once. `some` is set while any send is in doubt.
    """

    def __init__(self, store: JournalStore) -> None:
        self._store = store
        self._waiting: dict[str, Callable[[str], None]] = {}
        self.some = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._look(), name="watch doubts")

    async def stop(self) -> None:
        """Stop looking."""
        await cancel([self._task])

    def add(self, journal_id: str, on_settled: Callable[[str], None]) -> None:
        """Call `on_settled(journal_id)` once, when the entry has ended."""
        self._waiting[journal_id] = on_settled
        self.some.set()

    def remove(self, journal_id: str) -> None:
        """Nobody waits for it any more."""
        self._waiting.pop(journal_id, None)

    async def _look(self) -> None:
        while True:
            await self.some.wait()
            try:
                for journal_id in await self._store.ended_among(list(self._waiting)):
                    on_settled = self._waiting.pop(journal_id, None)
                    if on_settled is not None:
                        on_settled(journal_id)
            except Unavailable as error:
                log.warning("cannot look for settled sends", extra={"error": error.message})
            if not self._waiting:
                self.some.clear()
            await asyncio.sleep(_POLL_SECONDS)


def told_of(entry: Entry, statuses: Sequence[StatusData]) -> StatusData | None:
    """The first of these statuses that speaks of this send: same number, and no other account. Pure."""
    for status in statuses:
        same_number = entry.phone_number_id is not None and status.phone_number_id == entry.phone_number_id
        if same_number and status.chatbot_id in (None, entry.chatbot_id):
            return status
    return None


def _seen(statuses: Sequence[StatusData]) -> dict[str, list[StatusData]]:
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
            log.warning("a status is not understood", extra={"offset": record.offset, "error": error.message})
    return statuses
