"""Meta's windows: until when messages that are not templates may be sent, and until when they are free. Pure.

Sources: Meta, "Send messages", "Customer service windows": 24 hours from a person's last message to the business
number, or from their last call, answered or not; Meta, "Pricing", "Free entry point": 72 hours from a message that
came through a click-to-WhatsApp ad or a page's button, provided that the business answers within 24 hours. The second
is only about the price.

Three answers are possible: open until then, closed since then, and unknown. Unknown means that we know of no message or
call of the person: they may have written or called before the number came to us.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from conversation.batch.documents import Document, present

SERVICE: Final = timedelta(hours=24)
FREE_ENTRY: Final = timedelta(hours=72)

LAST_INBOUND: Final = "lastInboundAt"
LAST_CALL: Final = "lastCallAt"
FREE_ENTRY_AT: Final = "freeEntryAt"

CLOSED_AT: Final = "windowClosedAt"
"""When Meta last refused a message because the window was closed."""

CLOSED: Final = 131047
"""Meta's code for it ("Re-engagement message")."""

TIMES: Final = (LAST_INBOUND, LAST_CALL, CLOSED_AT)

_OPENS_NOTHING: Final = frozenset({"system", "request_welcome", "edit", "revoke"})


def opens(message_type: str) -> bool:
    """Whether a message of this type opens the window.

    A `system` message is Meta's own, about a person. A `request_welcome` says that a chat was opened, and an `edit` or
    a `revoke` is about an earlier message.
    """
    return message_type not in _OPENS_NOTHING


def open_until(conversation: Document) -> datetime | None:
    """When the service window closes or closed; None if no message or call of the person is known."""
    times: list[datetime] = [conversation[name] for name in (LAST_INBOUND, LAST_CALL) if name in conversation]
    return max(times) + SERVICE if times else None


def window_of(conversation: Document, now: datetime) -> Document:
    """What the read API shows: `open`; `until` and `freeEntryUntil`, also when they are past, absent if never open."""
    until = open_until(conversation)
    entered: datetime | None = conversation.get(FREE_ENTRY_AT)
    return present(
        open=until is not None and now < until,
        until=until,
        freeEntryUntil=None if entered is None else entered + FREE_ENTRY,
    )


def answer_of(conversation: Document) -> Document:
    """The answer for the sender: `until`, in the past when the window is known to be closed, null when it is unknown.

    A refusal by Meta counts only if nothing else is known, because a message that has opened the window since may have
    come in before the refusal was reported.
    """
    until = open_until(conversation)
    return {
        LAST_INBOUND: conversation.get(LAST_INBOUND),
        "until": conversation.get(CLOSED_AT) if until is None else until,
    }


def latest(conversations: Iterable[Document]) -> Document:
    """The times of one person in several conversations, each the latest."""
    found: Document = {}
    for conversation in conversations:
        for name in TIMES:
            if name in conversation:
                found[name] = max(conversation[name], found.get(name, conversation[name]))
    return found
