"""The events of a batch. Pure; they are written after all facts are applied, because then all merges are known."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from common.contracts import messages
from common.contracts.contacts import Contact, contact_of_recipient
from common.contracts.envelope import encode, from_unix
from common.contracts.ids import derive_id
from common.contracts.messages import IncomingData, IncomingMessage, MessageStatus, MetaError, StatusData
from common.contracts.topics import INCOMING_MESSAGES, MESSAGE_STATUS, Topic
from common.kafka.records import Outgoing, headers_for
from common.meta.errors import RULES
from common.meta.payloads import meta_error
from common.telemetry.trace_context import Trace
from conversation.batch.facts import Inbound, Result, StatusSeen
from conversation.batch.naming import NAMED, wamid_of
from conversation.batch.working_set import Document, Message


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event to publish: `write` makes it from the documents as they are after the whole batch."""

    trace: Trace
    write: Callable[[datetime], tuple[Topic, str, IncomingMessage | MessageStatus]]

    def record(self, now: datetime) -> Outgoing:
        """The Kafka record. Raises `ValueError` for one that is too large for its topic."""
        topic, key, event = self.write(now)
        value = encode(event)
        if len(value) + len(key.encode()) > topic.max_value_bytes:
            raise ValueError(f"{topic.name} does not take an event of {len(value)} bytes")
        trace = self.trace.child()
        headers = headers_for(trace, event_id=event.id, event_type=event.type)
        return Outgoing(topic.name, key, value, headers, trace=trace)


def incoming(fact: Inbound, message: Message) -> PendingEvent:
    """The customer's message, for the AI."""

    def write(now: datetime) -> tuple[Topic, str, IncomingMessage]:
        data = fact.event.data
        conversation_id = message.conversation_id or ""
        event = IncomingMessage(
            id=derive_id(messages.INCOMING, data.phone_number_id or "", fact.message.id),
            type=messages.INCOMING,
            version=messages.VERSION,
            occurred_at=fact.at,
            recorded_at=now,
            correlation_id=fact.trace.correlation_id,
            causation_id=fact.event.id,
            data=IncomingData(
                message_id=message.document["_id"],
                wamid=fact.message.id,
                conversation_id=conversation_id,
                phone_number_id=data.phone_number_id or "",
                contact=fact.contact,
                message_type=fact.message.type,
                message=fact.raw,
                chatbot_id=message.document.get("chatbotId"),
                text=fact.content.text,
                reply_to=fact.content.reply_to,
            ),
        )
        return INCOMING_MESSAGES, conversation_id or data.phone_number_id or fact.message.id, event

    return PendingEvent(fact.trace, write)


def status_changed(fact: StatusSeen | Result, message: Message, key: str) -> PendingEvent:
    """A status of an outbound message. `key` tells it from the message's other statuses."""

    def write(now: datetime) -> tuple[Topic, str, MessageStatus]:
        standing = message.root
        data = _from_meta(fact, standing) if isinstance(fact, StatusSeen) else _from_sender(fact, standing)
        return _status_event(fact, standing, key, data, now)

    return PendingEvent(fact.trace, write)


def status_repeated(fact: StatusSeen | Result, message: Message, entry: Document) -> PendingEvent:
    """A status that was published before its send was known, once more; `fact` names the send."""

    def write(now: datetime) -> tuple[Topic, str, MessageStatus]:
        standing = message.root
        return _status_event(fact, standing, entry["key"], _earlier_status(fact, standing, entry), now)

    return PendingEvent(fact.trace, write)


def status_named(fact: Result, message: Message, entry: Document) -> PendingEvent:
    """A status that was published without the send's `messageId`, once more with it; `fact` is the result that has it.

    The event has another id than the first, so that a consumer that has seen the first does not drop it.
    """

    def write(now: datetime) -> tuple[Topic, str, MessageStatus]:
        standing = message.root
        return _status_event(fact, standing, entry["key"], _earlier_status(fact, standing, entry), now, NAMED)

    return PendingEvent(fact.trace, write)


def _earlier_status(fact: StatusSeen | Result, message: Message, entry: Document) -> StatusData:
    """A status from the message's history, with what is known of the message now."""
    own = _from_meta(fact, message) if isinstance(fact, StatusSeen) else _from_sender(fact, message)
    error = entry.get("error")
    return replace(
        own,
        status=entry["status"],
        wamid=wamid_of(message, entry),
        message_status=None,
        timestamp=entry["timestamp"],
        error=MetaError(**error) if error is not None else None,
        due=None,
    )


def _status_event(
    fact: StatusSeen | Result, message: Message, key: str, data: StatusData, now: datetime, *told: str
) -> tuple[Topic, str, MessageStatus]:
    message_id = message.document["_id"]
    event = MessageStatus(
        id=derive_id(messages.STATUS, message_id, key, *told),
        type=messages.STATUS,
        version=messages.VERSION,
        occurred_at=data.timestamp or now,
        recorded_at=now,
        correlation_id=fact.trace.correlation_id,
        causation_id=fact.event.id,
        data=data,
    )
    return MESSAGE_STATUS, data.conversation_id or data.phone_number_id or message_id, event


def status_of_result(fact: Result) -> str:
    """The status that a result reports: accepted, failed, expired, cancelled, in_doubt, queued."""
    return fact.event.type.removeprefix("send.")


def status_error(fact: StatusSeen | Result) -> MetaError | None:
    """Why it failed: the sender's error, or Meta's first error with our reason for it, if there is one."""
    if isinstance(fact, Result):
        return fact.event.data.error
    error = meta_error(fact.status.errors[0]) if fact.status.errors else None
    rule = RULES.get(error.code) if error is not None and error.code is not None else None
    return replace(error, reason=rule.reason) if error is not None and rule is not None else error


def _from_meta(fact: StatusSeen, message: Message) -> StatusData:
    status, document = fact.status, message.document
    return StatusData(
        status=status.status,
        delivery_status=document["deliveryStatus"],
        conversation_id=message.conversation_id,
        phone_number_id=fact.event.data.phone_number_id,
        chatbot_id=document.get("chatbotId"),
        journal_id=fact.journal_id if fact.journal_id == document["_id"] else None,
        message_id=document.get("messageId"),
        wamid=status.id,
        contact=fact.event.data.contact,
        timestamp=from_unix(status.timestamp, fallback=fact.event.recorded_at),
        error=status_error(fact),
        metadata=document.get("metadata"),
    )


def _from_sender(fact: Result, message: Message) -> StatusData:
    data, document = fact.event.data, message.document
    return StatusData(
        status=status_of_result(fact),
        delivery_status=document["deliveryStatus"],
        conversation_id=message.conversation_id,
        phone_number_id=data.phone_number_id,
        chatbot_id=data.chatbot_id,
        journal_id=data.journal_id,
        message_id=data.message_id,
        wamid=data.wamid,
        message_status=data.message_status,
        contact=data.contact or _recipient(data.to),
        timestamp=data.at,
        error=data.error,
        due=data.due,
        metadata=(data.request or {}).get("metadata"),
    )


def _recipient(to: str) -> Contact | None:
    contact = contact_of_recipient(to)
    return contact if contact.aliases() else None
