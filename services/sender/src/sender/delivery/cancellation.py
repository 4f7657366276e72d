"""Cancel a send that Meta does not have yet."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from common.contracts import ids
from common.contracts.journal import Entry
from sender.cas_token import new_token
from sender.clock import utc_now
from sender.delivery.transitions import cancel, new_entry
from sender.group_commit import GroupCommit
from sender.journal.store import JournalStore
from sender.journal.transition import Transition


@dataclass(frozen=True, slots=True)
class Cancellation:
    """`transitions` writes to the journal; `hasten` has the scheduler look at a send at once."""

    journal: JournalStore
    transitions: GroupCommit[Transition, Entry]
    hasten: Callable[[str], Awaitable[None]]

    async def cancel(self, chatbot_id: str, message_id: str) -> Entry:
        """Cancel a send unless it is too late; the state of the returned entry says which. Raises `Unavailable`."""
        journal_id = ids.journal_id(chatbot_id, message_id)
        entry = await self.journal.load_one(journal_id)
        while True:
            fresh = new_entry(journal_id, chatbot_id, message_id, "", utc_now())
            transition = cancel(entry, fresh, token=new_token(), now=utc_now())
            if transition is None:
                assert entry is not None  # noqa: S101  # a send without an entry can be cancelled
                return entry
            entry = await self.transitions.submit(transition)
            if entry.token == transition.won:
                await self.hasten(journal_id)
                return entry
