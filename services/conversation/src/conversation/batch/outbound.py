"""Applying what becomes of a message of ours: Meta's statuses and the sender's results. Pure."""

from datetime import datetime
from typing import Final

from common.contracts import sends
from common.contracts.envelope import from_unix
from common.contracts.ids import message_id_before, outbound_message_id
from common.contracts.messages import MetaError
from common.contracts.stored.versions import OF_MESSAGES
from conversation.batch.absorbing import absorb, statuses_to_repeat
from conversation.batch.documents import error_document, present
from conversation.batch.events import status_changed, status_error, status_named, status_of_result, status_repeated
from conversation.batch.facts import Result, StatusSeen
from conversation.batch.log_entries import PRICED, log_pricing, log_send
from conversation.batch.naming import note_statuses_to_name, statuses_to_name
from conversation.batch.people import NamedPerson, addressee_of, conversation_of, note_recipient, recipient_of
from conversation.batch.plan import Plan
from conversation.batch.service_window import CLOSED, CLOSED_AT
from conversation.batch.statuses import QUEUED, advance, status_key
from conversation.batch.working_set import OUTBOUND, PLACE, Chatbots, Message, WorkingSet

MAX_STATUSES: Final = 1_000
MAX_OTHER_WAMIDS: Final = 20
"""Limits of one document, because Meta may repeat itself without end. What exceeds them is in the webhook log only."""


def apply_status(result: Plan, fact: StatusSeen, chatbots: Chatbots, now: datetime) -> None:
    """Meta's status of an outbound message."""
    data, status = fact.event.data, fact.status
    owner = chatbots.get(data.phone_number_id or "")
    message = _message_of(result.working, fact, owner, now)
    chatbot = message.document.get("chatbotId", owner)
    _note_wamid(result.working, message, status.id)
    absorb(result.working, message, status.id, origin=fact.origin, most=MAX_STATUSES)
    _set_timestamp(message, fact.at)
    _join_conversation(result.working, message, recipient_of(fact), chatbot, now, error=status_error(fact))
    priced = log_pricing(result, fact, message)
    key, at = status_key(message, status), from_unix(status.timestamp, fallback=now)
    if _add_status(message, key, status.status, fact.origin, at, fact, now, priced=priced):
        result.events.append(status_changed(fact, message, key))
    result.events.extend(status_repeated(fact, message, one) for one in statuses_to_repeat(message, key, fact.origin))


def apply_result(result: Plan, fact: Result, now: datetime) -> None:
    """The sender's result of a send."""
    data = fact.event.data
    word = status_of_result(fact)
    key = f"{fact.event.type}|{data.attempts}" + (f"|{data.due.isoformat()}" if data.due is not None else "")
    if fact.event.type == sends.DUPLICATE:
        _note_duplicate(result, fact, key, now)
        return
    request = data.request or {}
    content = request.get("message")
    if isinstance(content, dict) and content.get("type") == "read":
        # A read receipt is not a message: its producer gets the status, and nothing is stored.
        result.events.append(status_changed(fact, Message({"_id": data.journal_id, "deliveryStatus": word}), key))
        return
    message = _outbound(result.working, data.journal_id, data.phone_number_id, data.chatbot_id, now)
    if not _belongs_to(message, data.phone_number_id, data.chatbot_id):
        message.leave_conversation()  # since then the account has changed its number, or the number its account
    note_statuses_to_name(message, fact.origin, result.origins)
    _set_request(message, fact, content)
    if data.wamid:
        _note_wamid(result.working, message, data.wamid)
        absorb(result.working, message, data.wamid, origin=fact.origin, most=MAX_STATUSES)
    _join_conversation(result.working, message, addressee_of(fact), data.chatbot_id, now, error=data.error)
    if fact.event.type == sends.ACCEPTED:
        log_send(result, fact, message)
    if _add_status(message, key, word, fact.origin, data.at, fact, now):
        result.events.append(status_changed(fact, message, key))
    result.events.extend(status_repeated(fact, message, one) for one in statuses_to_repeat(message, key, fact.origin))
    result.events.extend(status_named(fact, message, one) for one in statuses_to_name(message, fact.origin))


def _note_duplicate(result: Plan, fact: Result, key: str, now: datetime) -> None:
    """Another request had the id of a send: add that to the send's history, and tell the producer."""
    message = result.working.messages.get(fact.event.data.journal_id)
    if message is None or not _belongs_to(message, fact.event.data.phone_number_id, fact.event.data.chatbot_id):
        return
    if _add_status(message, key, status_of_result(fact), fact.origin, fact.event.data.at, fact, now):
        result.events.append(status_changed(fact, message, key))


def _set_request(message: Message, fact: Result, content: object) -> None:
    """Set what only the sender knows of a message."""
    data = fact.event.data
    request = data.request or {}
    text = content if isinstance(content, str) else _text_of(content)
    message.set("messageId", data.message_id)
    message.set("chatbotId", data.chatbot_id)
    message.set("phoneNumberId", data.phone_number_id)
    message.set("to", data.to)
    message.set("messageStatus", data.message_status)
    message.set("type", content.get("type") if isinstance(content, dict) else "text")
    message.set("text", text)
    message.set("request", request)
    message.set("metadata", request.get("metadata"))
    message.set("replyTo", request.get("replyTo"))
    message.set("attempts", max(data.attempts, message.document.get("attempts", 0)))
    if message.document.get("deliveryStatus") == QUEUED and fact.event.type != sends.QUEUED:
        message.set("timestamp", data.at.replace(microsecond=0))  # when it was sent, not when it was requested
    _set_timestamp(message, data.at)
    message.set("due", data.due)
    if fact.event.type == sends.QUEUED and data.error is not None:
        message.set("reason", data.error.reason)
    if data.error is not None:
        message.set("error", error_document(data.error))


def _set_timestamp(message: Message, at: datetime) -> None:
    """Set its time in the thread once and for all, in whole seconds because Meta's times are."""
    message.set("timestamp", message.document.get("timestamp") or at.replace(microsecond=0))


def _text_of(content: object) -> str | None:
    if not isinstance(content, dict):
        return None
    text = content.get("body") or content.get("caption") or content.get("emoji")
    return text if isinstance(text, str) else None


def _outbound(
    working: WorkingSet, message_id: str, phone_number_id: str | None, chatbot: str | None, now: datetime
) -> Message:
    """The outbound message; the first fact of it creates it (docs/decisions/0006)."""
    message = working.messages.get(message_id)
    if message is None:
        document = present(
            _id=message_id,
            v=OF_MESSAGES,
            direction=OUTBOUND,
            phoneNumberId=phone_number_id,
            chatbotId=chatbot,
            createdAt=now,
        )
        message = working.add_message(Message(document, new=True))
    return message


def _message_of(working: WorkingSet, fact: StatusSeen, owner: str | None, now: datetime) -> Message:
    """The message that a status is about; `owner` is the account of its number."""
    number = fact.event.data.phone_number_id
    if fact.journal_id is not None:
        message = working.messages.get(fact.journal_id)
        if message is None or message.document.get("phoneNumberId", number) == number:
            return _outbound(working, fact.journal_id, number, owner, now)
    of_another_system = outbound_message_id(number, owner, fact.status.id)
    before = working.messages.get(message_id_before(fact.status.id))
    for message in (*working.of_wamid(number, fact.status.id), *([before] if before else [])):
        of_owner = message.document.get("chatbotId") == owner
        stands_in = message.document["_id"] == of_another_system
        if of_owner and not stands_in and not message.is_inbound and message.is_at(number, owner):
            return message
    return _outbound(working, of_another_system, number, owner, now)


def _belongs_to(message: Message, phone_number_id: str | None, chatbot_id: str) -> bool:
    """Whether a send's message has the account and number of its result. A result without a number fits any number."""
    document = message.document
    return document.get("chatbotId") == chatbot_id and phone_number_id in (None, document.get("phoneNumberId"))


def _note_wamid(working: WorkingSet, message: Message, wamid: str) -> None:
    """One send has one wamid, unless Meta had accepted a call that got no answer."""
    first, others = message.document.get("wamid"), message.document.get("otherWamids", ())
    if first is None:
        message.set("wamid", wamid)
    elif first != wamid and wamid not in others and len(others) < MAX_OTHER_WAMIDS:
        message.set("otherWamids", [*others, wamid])
    else:
        return
    working.note_wamid(message, wamid)


def _join_conversation(
    working: WorkingSet,
    message: Message,
    to: NamedPerson,
    chatbot: str | None,
    now: datetime,
    *,
    error: MetaError | None,
) -> None:
    """Put an outbound message into its conversation, which is created if needed."""
    conversation = conversation_of(working, message.document.get("phoneNumberId"), to, chatbot, now)
    if conversation is None:
        return
    note_recipient(conversation, to)
    if error is not None and error.code == CLOSED:
        conversation.latest(CLOSED_AT, to.at)
    if message.conversation is None and "conversationId" not in message.document:
        message.conversation = conversation
        conversation.count("outboundCount")
        conversation.latest("lastMessageAt", message.document["createdAt"])
        message.set(PLACE, conversation.next_place())


def _add_status(
    message: Message,
    key: str,
    word: str,
    origin: str,
    at: datetime,
    fact: StatusSeen | Result,
    now: datetime,
    *,
    priced: bool = False,
) -> bool:
    """Add a status to the history. Returns whether this record has to publish it.

    `priced`: the pricing that it brought is in the usage log.
    """
    entry = message.status_entry(key)
    if entry is not None:
        return bool(entry["origin"] == origin)
    before = message.document.get("deliveryStatus")
    message.set("deliveryStatus", advance(before, word))
    if message.document["deliveryStatus"] != before:
        message.set("statusAt", now)
    if len(message.document.get("statuses", ())) >= MAX_STATUSES:
        return False
    error = status_error(fact)
    participant = fact.status.participant if isinstance(fact, StatusSeen) else None
    message.add_status(
        present(
            key=key,
            status=word,
            timestamp=at,
            receivedAt=now,
            origin=origin,
            participant=participant,
            due=fact.event.data.due if isinstance(fact, Result) else None,
            error=error_document(error) if error else None,
            **({PRICED: True} if priced else {}),
        )
    )
    if error is not None and message.document["deliveryStatus"] == word:
        message.set("error", error_document(error))
    return True
