"""`incoming-messages` and `message-status`: what conversation tells AI consumers and producers."""

from datetime import datetime
from typing import Any, Final

import msgspec

from common.contracts.contacts import Contact
from common.contracts.envelope import Contract, Event

VERSION: Final = 1
INCOMING: Final = "message.incoming"
STATUS: Final = "message.status"


class IncomingData(Contract, frozen=True, kw_only=True):
    """A customer's message.

    `message` is Meta's message object, unmodified; `text` is what the customer said, where the type has words (text,
    caption, button or list title, reaction emoji); `replyTo` is the wamid it answers. `contact` is who wrote it, as
    they are to be written to: of a `system` message about a new phone number or BSUID, with the new one. `chatbotId` is
    absent while no account is connected to the number.
    """

    message_id: str
    wamid: str
    conversation_id: str
    phone_number_id: str
    contact: Contact
    message_type: str
    message: msgspec.Raw
    chatbot_id: str | None = None
    text: str | None = None
    reply_to: str | None = None


class IncomingMessage(Event, frozen=True, kw_only=True):
    """One customer message: exactly one event each, for a `read_committed` reader."""

    data: IncomingData


class MetaError(Contract, frozen=True, kw_only=True):
    """An error as Meta or we state it: Meta's numeric `code`, or our own `reason` where Meta was not asked."""

    code: int | None = None
    reason: str | None = None
    title: str | None = None
    details: str | None = None


class StatusData(Contract, frozen=True, kw_only=True):
    """What became of one outbound message.

    `status` is Meta's word (sent, delivered, read, played, failed: an open set) or ours (accepted, queued,
    in_doubt, expired, cancelled, failed). `messageId` and `metadata` are the producer's own, when the send was ours;
    `journalId` is our id of it. A status that comes before any result of its send has `journalId` alone; the first
    result brings it once more, with both, as another event. `deliveryStatus` is the message's state after this one:
    it never goes backwards. What is `queued` waits for the reason that `error` gives, and is tried again at `due`:
    `scheduled`, `behind_others` (earlier sends of its conversation, or of a number that has many), `meta_unreachable`,
    or Meta's refusal of it or of its number; it is told of each reason once.
    `messageStatus` is Meta's word in its answer, with `accepted` alone: `held_for_quality_assessment` and `paused`
    say that the message is not on its way yet.
    """

    status: str
    delivery_status: str
    conversation_id: str | None = None
    phone_number_id: str | None = None
    chatbot_id: str | None = None
    journal_id: str | None = None
    message_id: str | None = None
    wamid: str | None = None
    message_status: str | None = None
    contact: Contact | None = None
    timestamp: datetime | None = None
    error: MetaError | None = None
    due: datetime | None = None
    metadata: dict[str, Any] | None = None


class MessageStatus(Event, frozen=True, kw_only=True):
    """One status of one outbound message (of one participant, in a group)."""

    data: StatusData
