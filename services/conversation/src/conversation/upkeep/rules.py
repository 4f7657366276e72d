"""How long documents are kept, and which of them have been kept long enough. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from common.contracts.accounts import LEAST_MESSAGES_DAYS, Retention
from conversation.batch.documents import Document
from conversation.batch.working_set import ABSORBS

REPEATED: Final = timedelta(days=LEAST_MESSAGES_DAYS)
"""A message stays for so long after its arrival, however old it was then, and whatever an account says."""

RUN_EVERY: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Kept:
    """For how many days each kind is kept; 0: for good."""

    messages: int
    conversations: int
    usage: int

    def of(self, account: Retention | None) -> "Kept":
        """What holds for an account: its own days where it has any."""
        if account is None:
            return self
        own = {
            "messages": account.messages_days,
            "conversations": account.conversations_days,
            "usage": account.usage_days,
        }
        return replace(self, **{name: days for name, days in own.items() if days is not None})


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """What is older than these times goes. None: nothing goes. A message that arrived after `repeated` stays."""

    messages: datetime | None
    conversations: datetime | None
    usage: datetime | None
    repeated: datetime


def cutoffs(kept: Kept, now: datetime) -> Cutoffs:
    """The times before which documents have been kept long enough.

    A conversation stays as long as the usage log may name it: `wa erase` finds entries whose message is gone by it.
    """
    usage, conversations = _before(kept.usage, now), _before(kept.conversations, now)
    named = None if usage is None or conversations is None else min(usage, conversations)
    return Cutoffs(_before(kept.messages, now), named, usage, now - REPEATED)


CutoffsOf = Callable[[str | None], Cutoffs]
"""The times of a chatbot; None: of what belongs to no account."""


def by_cutoff(conversations: Sequence[Document], of: CutoffsOf) -> dict[datetime, list[str]]:
    """The ids of conversations whose messages go, by the time before which they go."""
    found: dict[datetime, list[str]] = {}
    for document in conversations:
        cutoff = of(document.get("chatbotId")).messages
        if cutoff is not None:
            found.setdefault(cutoff, []).append(document["_id"])
    return found


def may_go(conversation: Document, of: CutoffsOf) -> bool:
    """Whether a conversation goes once it has no message. One that was merged is a signpost, and as old as it was then.

    One whose messages have yet to follow from another stays.
    """
    cutoff = of(conversation.get("chatbotId")).conversations
    last = conversation.get("lastMessageAt") or conversation.get("createdAt")
    return cutoff is not None and last is not None and last < cutoff and ABSORBS not in conversation


def _before(days: int, now: datetime) -> datetime | None:
    return now - timedelta(days=days) if days else None
