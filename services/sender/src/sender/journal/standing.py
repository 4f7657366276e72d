"""The state of a send, for the API: from the journal, from the stores of waiting sends, or from Kafka.

A send that was accepted is in one of them at any time (docs/decisions/0031), so an accepted send is always found.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from common.contracts import ids
from common.contracts.journal import Entry, State
from common.contracts.messages import MetaError
from common.kafka.consume.unfinished import Unfinished
from sender.dispatch.model import Item, Wait
from sender.records.parsing import LAST_DUE

QUEUED: Final = "queued"
SCHEDULED: Final = "scheduled"
BEHIND_OTHERS: Final = "behind_others"
NOT_TAKEN_UP: Final = "not_taken_up"
"""Why a send waits that has no journal entry: its `sendAt`, the sends before it (of its conversation, or of a number
that has many), or it has yet to be read. When its number is held, the reason of that hold is given instead."""

BEHIND: Final = MetaError(reason=BEHIND_OTHERS)
AWAY: Final = MetaError(reason="meta_unreachable", details="Meta cannot be reached; this wait spends no attempts")
FOR_ITS_TIME: Final = MetaError(reason=SCHEDULED)

_WAITING: Final = frozenset({State.RETRYING, State.DEFERRED})
_LOOKS: Final = 3
"""A send may move from one place to the next between two reads, but not as often as this."""

Load = Callable[[str], Awaitable[Entry | None]]
DueOf = Callable[[str], Awaitable[float | None]]
WaitOf = Callable[[str], Awaitable[tuple[float, str | None] | None]]
Find = Callable[[str, str], Awaitable[Unfinished | None]]


@dataclass(frozen=True, slots=True)
class Standings:
    """Finds a send: `load` reads the journal; `scheduled` and `parked` return when a send is due (Unix seconds).

    `parked` also returns the reason, if it is known. `unfinished` looks on Kafka.
    """

    load: Load
    scheduled: DueOf
    parked: WaitOf
    unfinished: Find
    now: Callable[[], datetime]

    async def of(self, chatbot_id: str, message_id: str) -> dict[str, Any] | None:
        """The state of the send as the API shows it; None: no such send was accepted. Raises `Unavailable`."""
        for _ in range(_LOOKS):
            found = await self._stored(chatbot_id, message_id)
            if found is None and (there := await self.unfinished(chatbot_id, message_id)) is not None:
                reason = BEHIND_OTHERS if await self._any_unended(there.before) else NOT_TAKEN_UP
                found = queued(chatbot_id, message_id, there.since, reason)
            if found is not None:
                return found
        return None

    async def _any_unended(self, before: Sequence[str]) -> bool:
        """Whether any of these earlier messages of the conversation has yet to end, so that a later one waits."""
        entries = await asyncio.gather(*map(self.load, before))
        return any(entry is None or not entry.ended for entry in entries)

    async def _stored(self, chatbot_id: str, message_id: str) -> dict[str, Any] | None:
        """Look in the order in which a send passes the stores, because a send that has left one is in a later one."""
        journal_id = ids.journal_id(chatbot_id, message_id)
        entry = await self.load(journal_id)  # most are here
        if entry is not None:
            return await self._with_due(entry)
        if (send_at := await self.scheduled(journal_id)) is not None:
            return queued(chatbot_id, message_id, moment(send_at), SCHEDULED)
        if (wait := await self.parked(journal_id)) is not None:
            due, reason = wait
            return queued(chatbot_id, message_id, max(moment(due), self.now()), reason or BEHIND_OTHERS)
        entry = await self.load(journal_id)
        return shown(entry) if entry is not None else None

    async def _with_due(self, entry: Entry) -> dict[str, Any]:
        """As `shown`. When its own wait is over it waits for its number, and its parked document has that time."""
        found = shown(entry)
        if entry.state in _WAITING and (entry.due or entry.at) < self.now():
            wait = await self.parked(entry.id)
            if wait is not None:
                found["due"] = max(moment(wait[0]), self.now()).isoformat()
        return found


def queued(chatbot_id: str, message_id: str, due: datetime | None, reason: str) -> dict[str, Any]:
    """The state of a send that waits and has not been tried. Pure."""
    at = due.isoformat() if due is not None else None
    fields = {
        "messageId": message_id,
        "chatbotId": chatbot_id,
        "state": QUEUED,
        "reason": reason,
        "due": at,
        "sendAt": at if reason == SCHEDULED else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def shown(entry: Entry) -> dict[str, Any]:
    """The state of a send by its entry; one that waits for its next attempt is `queued`, with the reason. Pure.

    A message that Meta accepted and later reported as failed is `failed`, with its wamid and the time of the report.
    """
    waits = entry.state in _WAITING
    state = QUEUED if waits else str(entry.state if entry.failure is None else State.FAILED)
    reason = (entry.error.reason if entry.error is not None else None) or str(entry.state)
    fields = {
        "messageId": entry.message_id,
        "chatbotId": entry.chatbot_id,
        "state": state,
        "reason": reason if waits else None,
        "attempts": entry.attempt,
        "at": entry.at.isoformat(),
        "createdAt": entry.created_at.isoformat(),
        "due": (entry.due or entry.at).isoformat() if waits or entry.due else None,
        "wamid": entry.wamid,
        "error": msgspec.to_builtins(entry.failure or entry.error),
        "failedAt": entry.failed_at.isoformat() if entry.failed_at is not None else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def wait_of(item: Item[Any], held: Wait | None) -> Wait:
    """Why a send is parked: its own wait, its number (`held`), or the sends before it. Pure.

    The wait that lasts longest is reported.
    """
    waits = [wait for wait in (held, item.wait) if wait is not None]
    return max(waits, key=lambda wait: wait.due, default=Wait(item.due, BEHIND))


def moment(due: float) -> datetime:
    """Unix seconds as a `datetime`, limited to what one can hold; a store may have 0 for "now"."""
    return datetime.fromtimestamp(min(max(due, 0.0), LAST_DUE), UTC)
