"""Meta's windows: until when a person may be sent what is not a template, and until when that is free. Pure.

Sources: Meta, "Send messages", "Customer service windows": 24 hours from a person's last message to the business
number; Meta, "Pricing", "Free entry point": 72 hours from a message that came by an ad that clicks to WhatsApp or by a
page's button, provided that the business answers within 24 hours. The second is about the price alone.

What a document knows is a lower bound. Meta also opens the first window on a person's call, and a call is no message:
it stays in the webhook log.
"""

from datetime import datetime, timedelta
from typing import Final

from conversation.documents import Document, present

SERVICE: Final = timedelta(hours=24)
FREE_ENTRY: Final = timedelta(hours=72)

LAST_INBOUND: Final = "lastInboundAt"
FREE_ENTRY_AT: Final = "freeEntryAt"

_NOT_FROM_THE_PERSON: Final = frozenset({"system"})


def opens(message_type: str) -> bool:
    """Whether a message of this type opens the window. A `system` message is Meta's own, about a person."""
    return message_type not in _NOT_FROM_THE_PERSON


def open_until(conversation: Document) -> datetime | None:
    """When the service window closes, or closed; None: the person has never written."""
    last: datetime | None = conversation.get(LAST_INBOUND)
    return None if last is None else last + SERVICE


def window_of(conversation: Document, now: datetime) -> Document:
    """What the read API shows: `open`; `until` and `freeEntryUntil`, also when they have passed, absent if never."""
    until = open_until(conversation)
    entered: datetime | None = conversation.get(FREE_ENTRY_AT)
    return present(
        open=until is not None and now < until,
        until=until,
        freeEntryUntil=None if entered is None else entered + FREE_ENTRY,
    )


def answer_of(conversation: Document) -> Document:
    """What the sender is told: both times, null for somebody who has never written."""
    return {LAST_INBOUND: conversation.get(LAST_INBOUND), "until": open_until(conversation)}
