"""Writes the records of finished sends with the offsets that they finish, in one transaction after the other."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from common.kafka.consume.partition_session import PartitionSession
from common.kafka.records import Outgoing
from sender.worker.offsets import OffsetTracker

_MAX_ENTRIES: Final = 500
_MANY: Final = 50_000
"""Entries that wait, a kilobyte of memory each. What cannot be read or is moved has one as soon as it is read.

With fewer, reading waits for transactions where one tenant has written what cannot be read, and others behind it later.
"""


OnCommitted = Callable[[list[tuple[str, str]]], None]


@dataclass(frozen=True, slots=True)
class CommitEntry:
    """One part of the next transaction: records, and the input record that they finish (if they finish one).

    `parked` is the (id, token) of a parked send, `released` that of a scheduled one. Its stored copy is removed when
    the transaction has been written.
    """

    outgoing: tuple[Outgoing, ...]
    partition: Any = None
    offset: int = -1
    parked: tuple[str, str] | None = None
    released: tuple[str, str] | None = None


class Commits:
    """The transactions of one session.

    An entry that comes after a silence is written at once. Under load entries wait for the end of the transaction
    before, and that waits for the other sessions of this process (`common.kafka.consume.committer`).

    `on_unparked` and `on_released` are called with the parked and the scheduled sends whose entries are committed.

    **Invariants:**
    - Entries are written in the order in which they were given.
    - An offset is committed only in the transaction with its record's entry, or after it.
    - Nothing is committed after a failed transaction, because its offsets would go with the next one.
    - Nothing is committed after `abandon`, except what is in a transaction already.
    """

    def __init__(self, session: PartitionSession, on_unparked: OnCommitted, on_released: OnCommitted) -> None:
        self._session = session
        self._on_unparked = on_unparked
        self._on_released = on_released
        self._offset_tracker = OffsetTracker()
        self._entries: deque[CommitEntry] = deque()
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._closed = False
        self._abandoned = False
        self._proof = False

    def track(self, partition: Any, offset: int) -> None:
        """A record was read. It and the records after it are not committed before an entry finishes it."""
        self._offset_tracker.track(partition, offset)

    def write(self, entry: CommitEntry) -> None:
        """Have an entry written soon, with others."""
        if not self._abandoned:
            self._entries.append(entry)
            self._changed.set()

    async def until_room(self) -> None:
        """Wait while many entries wait: a reader that went on would hold more of them in memory."""
        while len(self._entries) >= _MANY:
            self._taken.clear()
            await self._taken.wait()

    def prove_ownership(self) -> None:
        """Write the next transaction even if it is empty: it fails if another process owns the partition."""
        self._proof = True
        self._changed.set()

    def abandon(self) -> None:
        """The session has failed: write nothing more, also of what is still to come."""
        self._abandoned = True
        self._entries.clear()
        self._taken.set()

    def close(self) -> None:
        """Let `run` end after the entries that were given."""
        self._closed = True
        self._changed.set()

    async def run(self) -> None:
        """Write until closed. Raises `KafkaError`; then this session is over."""
        while not (self._closed and not self._entries):
            await self._changed.wait()
            self._changed.clear()
            await self._transaction()
            if self._entries:  # given meanwhile: the next transaction takes them
                self._changed.set()

    def _offsets(self) -> dict[Any, int]:
        """The offsets of the next transaction. A proof commits the last ones again if there are no new ones."""
        proof, self._proof = self._proof, False
        new = self._offset_tracker.committable()
        return dict(self._session.committed) if proof and not new else new

    async def _transaction(self) -> None:
        batch = [self._entries.popleft() for _ in range(min(_MAX_ENTRIES, len(self._entries)))]
        self._taken.set()
        for entry in batch:
            if entry.partition is not None:
                self._offset_tracker.done(entry.partition, entry.offset)
        outgoing = [record for entry in batch for record in entry.outgoing]
        await self._session.commit(outgoing, self._offsets())
        unparked = [entry.parked for entry in batch if entry.parked is not None]
        if unparked:
            self._on_unparked(unparked)
        released = [entry.released for entry in batch if entry.released is not None]
        if released:
            self._on_released(released)
