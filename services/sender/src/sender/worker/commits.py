"""Writing what finished sends lead to, with the offsets that they finish, in one transaction after the other."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from common.kafka.consume.partition_session import PartitionSession
from common.kafka.records import Outgoing
from sender.worker.offsets import OffsetTracker

_GATHER_SECONDS: Final = 0.01
_APART_SECONDS: Final = 0.15
_MAX_EFFECTS: Final = 500


Told = Callable[[list[tuple[str, str]]], None]


@dataclass(frozen=True, slots=True)
class CommitEntry:
    """What goes into the next transaction: records, and the input record that they finish (if they finish one).

    `parked` is the (id, token) of a parked send that is done with, once the transaction has been written, `released`
    that of a scheduled one.
    """

    outgoing: tuple[Outgoing, ...]
    partition: Any = None
    offset: int = -1
    parked: tuple[str, str] | None = None
    released: tuple[str, str] | None = None


class Commits:
    """The transactions of one session. Effects are written in the order in which they were given.

    A transaction costs the same whether it carries one record or hundreds, so under load there is one in 150 ms; what
    comes after a silence waits 10 ms for company.

    `on_unparked` and `on_released` are told of the parked and the scheduled sends whose effects have been committed.
    """

    def __init__(self, session: PartitionSession, on_unparked: Told, on_released: Told) -> None:
        self._session = session
        self._on_unparked = on_unparked
        self._on_released = on_released
        self._prefixes = OffsetTracker()
        self._effects: list[CommitEntry] = []
        self._given = asyncio.Event()
        self._closed = False
        self._proof = False

    def opened(self, partition: Any, offset: int) -> None:
        """A record was read; nothing from it on is committed before an effect finishes it."""
        self._prefixes.opened(partition, offset)

    def write(self, effect: CommitEntry) -> None:
        """Have `effect` written soon, with others."""
        self._effects.append(effect)
        self._given.set()

    def prove(self) -> None:
        """Have the next transaction written even if it has nothing to say: it fails if the partition is not ours."""
        self._proof = True
        self._given.set()

    def close(self, *, discard: bool) -> None:
        """Let `run` end: after what is given, or (`discard`) without it.

        After a failed transaction nothing may be committed, for its offsets would go with the next one.
        """
        if discard:
            self._effects.clear()
        self._closed = True
        self._given.set()

    async def run(self) -> None:
        """Write until closed. Raises `KafkaError`; then this session is over."""
        clock, began = asyncio.get_running_loop().time, float("-inf")
        while not (self._closed and not self._effects):
            await self._given.wait()
            self._given.clear()
            if not self._closed and len(self._effects) < _MAX_EFFECTS:
                await asyncio.sleep(max(_GATHER_SECONDS, began + _APART_SECONDS - clock()))
            began = clock()
            await self._transaction()
            if self._effects:  # given meanwhile: the next takes them
                self._given.set()

    def _offsets(self) -> dict[Any, int]:
        """What the next transaction commits; for a proof, what was committed before if there is nothing new."""
        proof, self._proof = self._proof, False
        new = self._prefixes.committable()
        return dict(self._session.committed) if proof and not new else new

    async def _transaction(self) -> None:
        batch, self._effects = self._effects[:_MAX_EFFECTS], self._effects[_MAX_EFFECTS:]
        for effect in batch:
            if effect.partition is not None:
                self._prefixes.done(effect.partition, effect.offset)
        outgoing = [record for effect in batch for record in effect.outgoing]
        await self._session.commit(outgoing, self._offsets())
        unparked = [effect.parked for effect in batch if effect.parked is not None]
        if unparked:
            self._on_unparked(unparked)
        released = [effect.released for effect in batch if effect.released is not None]
        if released:
            self._on_released(released)
