"""Applying a batch of facts. Pure: what is known goes in; documents to write and events to publish come out.

The rule of P8: a fact meets a message only on the business number that it arrived on, and a conversation only in the
account that the number belongs to. A status meets one of our sends only by callback data that we signed for the number;
otherwise it meets a message of the same number and account by its wamid, or makes a message of its own.

The rule of P2: a message keeps the *origin* that brought it, the place of its record on Kafka. A record publishes its
event exactly when it is the origin. So the replay of a batch, after a crash between MongoDB and Kafka, publishes what
is missing; and a repetition by Meta, which has another origin, publishes nothing. Statuses and results follow the
same rule, entry by entry of a message's history.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, assert_never

from common.contracts import sends
from common.contracts.envelope import from_unix
from common.contracts.ids import inbound_message_id, message_id_before, outbound_message_id
from common.contracts.messages import MetaError
from common.contracts.webhooks import original_of
from common.meta.broken_text import kept_text
from conversation.batch.absorbing import absorb, retold
from conversation.batch.documents import contact_document, error_document, present
from conversation.batch.events import (
    Pending,
    incoming,
    status_changed,
    status_error,
    status_named,
    status_retold,
    word_of,
)
from conversation.batch.facts import ChangeSeen, Fact, Inbound, Result, StatusSeen
from conversation.batch.log_entries import usage_of_pricing, usage_of_send, webhook_entry
from conversation.batch.naming import nameless, note_nameless
from conversation.batch.people import (
    Named,
    addressee_of,
    caller_of,
    conversation_of,
    note_recipient,
    note_sender,
    recipient_of,
    sender_of,
)
from conversation.batch.service_window import CLOSED, CLOSED_AT, FREE_ENTRY_AT, LAST_CALL, LAST_INBOUND, opens
from conversation.batch.statuses import QUEUED, advance, status_key
from conversation.batch.working_set import PLACE, Chatbots, Conversation, Document, Known, Message, Working

INBOUND = "inbound"
OUTBOUND = "outbound"

MAX_STATUSES: Final = 1_000
MAX_OTHER_WAMIDS: Final = 20
"""What one document may hold of what Meta can repeat without end. What is beyond stays in the webhook log."""


@dataclass(slots=True)
class Plan:
    """What a batch does: documents by collection, and the events to publish in the order of their records.

    `origins` are those of its facts.
    """

    working: Working
    origins: frozenset[str] = frozenset()
    webhook_events: list[Document] = field(default_factory=list)
    usage: list[Document] = field(default_factory=list)
    events: list[Pending] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Keys:
    """What has to be looked up before a batch can be applied: our ids of sends, Meta's of other messages, aliases."""

    message_ids: frozenset[str]
    wamids: frozenset[str]
    aliases: frozenset[str]


def keys_of(facts: Iterable[Fact], chatbots: Chatbots) -> Keys:
    """The ids of messages and the aliases of conversations that the facts speak of."""
    messages: set[str] = set()
    wamids: set[str] = set()
    aliases: set[str] = set()
    for fact in facts:
        match fact:
            case Inbound():
                number, wamid = fact.event.data.phone_number_id, fact.message.id
                messages.update((inbound_message_id(number, wamid), message_id_before(wamid)))
                aliases.update(sender_of(fact).aliases)
            case StatusSeen():
                number, wamid = fact.event.data.phone_number_id, fact.status.id
                messages.add(outbound_message_id(number, chatbots.get(number or ""), wamid))
                messages.add(fact.journal_id or message_id_before(wamid))
                if fact.journal_id is None:
                    wamids.add(wamid)
                aliases.update(recipient_of(fact).aliases)
            case Result():
                data = fact.event.data
                messages.add(data.journal_id)
                if data.wamid:
                    messages.add(outbound_message_id(data.phone_number_id, data.chatbot_id, data.wamid))
                aliases.update(addressee_of(fact).aliases)
            case ChangeSeen():
                for call in fact.calls:
                    aliases.update(caller_of(call, fact.event.data.phone_number_id).aliases)
            case _:
                assert_never(fact)
    return Keys(frozenset(messages), frozenset(wamids), frozenset(aliases))


def plan(
    facts: Sequence[Fact], known: Known, chatbots: Chatbots, now: datetime, silent: Collection[str] = frozenset()
) -> Plan:
    """Apply the facts in their order. `chatbots` knows the number of every fact that has an account.

    What comes in on a number that is `silent`, because its account is deactivated, is kept and never published.
    """
    result = Plan(Working.of(known), frozenset(fact.origin for fact in facts))
    for fact in facts:
        match fact:
            case Inbound():
                _apply_inbound(result, fact, chatbots, now, silent=fact.event.data.phone_number_id in silent)
            case StatusSeen():
                _apply_status(result, fact, chatbots, now)
            case Result():
                _apply_result(result, fact, now)
            case ChangeSeen():
                _apply_calls(result, fact, chatbots, now)
            case _:
                assert_never(fact)
        if not isinstance(fact, Result):
            result.webhook_events.append(webhook_entry(fact))
    return result


def _apply_inbound(result: Plan, fact: Inbound, chatbots: Chatbots, now: datetime, *, silent: bool) -> None:
    data, working = fact.event.data, result.working
    chatbot = chatbots.get(data.phone_number_id or "")
    message_id = inbound_message_id(data.phone_number_id, fact.message.id)
    message = working.messages.get(message_id) or _stored_before(working, fact, chatbot)
    if message is None:
        sender = sender_of(fact)
        conversation = conversation_of(working, data.phone_number_id, sender, chatbot, now)
        message = working.add_message(_new_inbound(message_id, fact, conversation, chatbot, now))
        if conversation is not None:
            _note_inbound(conversation, fact, sender)
            message.set(PLACE, conversation.next_place())
        message.set("published", False if silent else None)
    elif message.document.get("origin") != fact.origin:
        return  # Meta's repetition: the first record of it has published, or will
    if message.document.get("published", True):
        result.events.append(incoming(fact, message))


def _stored_before(working: Working, fact: Inbound, owner: str | None) -> Message | None:
    """The message as an earlier version stored it, if it is that of this number."""
    message = working.messages.get(message_id_before(fact.message.id))
    number = fact.event.data.phone_number_id
    return message if message is not None and _is_inbound(message) and _is_at(message, number, owner) else None


def _is_inbound(message: Message) -> bool:
    return message.document.get("direction") == INBOUND


def _is_at(message: Message, number: str | None, owner: str | None) -> bool:
    """Whether a message is of this number; of an erased one, of which no number is left, whether it is the owner's."""
    known = message.document.get("phoneNumberId")
    return known == number if known is not None else message.document.get("chatbotId") == owner


def _new_inbound(
    message_id: str, fact: Inbound, conversation: Conversation | None, chatbot: str | None, now: datetime
) -> Message:
    data, content = fact.event.data, fact.content
    document = present(
        _id=message_id,
        wamid=fact.message.id,
        direction=INBOUND,
        chatbotId=chatbot,
        phoneNumberId=data.phone_number_id,
        type=fact.message.type,
        text=content.text,
        replyTo=content.reply_to,
        contact=contact_document(fact.contact),
        raw=kept_text(original_of(data)),
        timestamp=fact.at.replace(microsecond=0),
        createdAt=now,
        origin=fact.origin,
    )
    return Message(document, new=True, conversation=conversation)


def _note_inbound(conversation: Conversation, fact: Inbound, sender: Named) -> None:
    note_sender(conversation, sender)
    conversation.latest("lastMessageAt", fact.at)
    if opens(fact.kind):
        conversation.latest(LAST_INBOUND, fact.at)
    if fact.referred:
        conversation.latest(FREE_ENTRY_AT, fact.at)
    conversation.count("inboundCount")


def _apply_calls(result: Plan, fact: ChangeSeen, chatbots: Chatbots, now: datetime) -> None:
    """A person's call is no message, and opens the window as one does."""
    number = fact.event.data.phone_number_id
    for call in fact.calls:
        caller = caller_of(call, number)
        conversation = conversation_of(result.working, number, caller, chatbots.get(number or ""), now)
        if conversation is not None:
            note_sender(conversation, caller)
            conversation.latest(LAST_CALL, call.at)


def _apply_status(result: Plan, fact: StatusSeen, chatbots: Chatbots, now: datetime) -> None:
    data, status = fact.event.data, fact.status
    owner = chatbots.get(data.phone_number_id or "")
    message = _message_of(result.working, fact, owner, now)
    chatbot = message.document.get("chatbotId", owner)
    _note_wamid(result.working, message, status.id)
    absorb(result.working, message, status.id, origin=fact.origin, most=MAX_STATUSES)
    _note_time(message, fact.at)
    _join(result.working, message, recipient_of(fact), chatbot, now, error=status_error(fact))
    result.usage.extend(usage_of_pricing(fact, message))
    key = status_key(message, status)
    if _record(message, key, status.status, fact.origin, from_unix(status.timestamp, fallback=now), fact, now):
        result.events.append(status_changed(fact, message, key))
    result.events.extend(status_retold(fact, message, one) for one in retold(message, key, fact.origin))


def _apply_result(result: Plan, fact: Result, now: datetime) -> None:
    data = fact.event.data
    word = word_of(fact)
    key = f"{fact.event.type}|{data.attempts}" + (f"|{data.due.isoformat()}" if data.due is not None else "")
    if fact.event.type == sends.DUPLICATE:
        _note_duplicate(result, fact, key, now)
        return
    request = data.request or {}
    content = request.get("message")
    if isinstance(content, dict) and content.get("type") == "read":
        # A read mark is no message; its sender is told, and nothing is kept.
        result.events.append(status_changed(fact, Message({"_id": data.journal_id, "deliveryStatus": word}), key))
        return
    message = _outbound(result.working, data.journal_id, data.phone_number_id, data.chatbot_id, now)
    if not _is_of(message, data.phone_number_id, data.chatbot_id):
        message.leave_conversation()  # the account has another number since, or the number another account
    note_nameless(message, fact.origin, result.origins)
    _fill(message, fact, content)
    if data.wamid:
        _note_wamid(result.working, message, data.wamid)
        absorb(result.working, message, data.wamid, origin=fact.origin, most=MAX_STATUSES)
    _join(result.working, message, addressee_of(fact), data.chatbot_id, now, error=data.error)
    if fact.event.type == sends.ACCEPTED:
        result.usage.append(usage_of_send(fact, message))
    if _record(message, key, word, fact.origin, data.at, fact, now):
        result.events.append(status_changed(fact, message, key))
    result.events.extend(status_retold(fact, message, one) for one in retold(message, key, fact.origin))
    result.events.extend(status_named(fact, message, one) for one in nameless(message, fact.origin))


def _note_duplicate(result: Plan, fact: Result, key: str, now: datetime) -> None:
    """Another content came under the id of a send: it is in its history, and its producer is told."""
    message = result.working.messages.get(fact.event.data.journal_id)
    if message is None or not _is_of(message, fact.event.data.phone_number_id, fact.event.data.chatbot_id):
        return
    if _record(message, key, word_of(fact), fact.origin, fact.event.data.at, fact, now):
        result.events.append(status_changed(fact, message, key))


def _fill(message: Message, fact: Result, content: object) -> None:
    """What only the sender knows of a message."""
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
        message.set(
            "timestamp", data.at.replace(microsecond=0)
        )  # it stands where it was sent, not where it was asked for
    _note_time(message, data.at)
    message.set("due", data.due)
    if fact.event.type == sends.QUEUED and data.error is not None:
        message.set("reason", data.error.reason)
    if data.error is not None:
        message.set("error", error_document(data.error))


def _note_time(message: Message, at: datetime) -> None:
    """Its place among the others of a thread, for good: in whole seconds, because Meta's times have no more."""
    message.set("timestamp", message.document.get("timestamp") or at.replace(microsecond=0))


def _text_of(content: object) -> str | None:
    if not isinstance(content, dict):
        return None
    text = content.get("body") or content.get("caption") or content.get("emoji")
    return text if isinstance(text, str) else None


def _outbound(
    working: Working, message_id: str, phone_number_id: str | None, chatbot: str | None, now: datetime
) -> Message:
    """The outbound message; made by whichever fact of it comes first (docs/decisions/0006)."""
    message = working.messages.get(message_id)
    if message is None:
        document = present(
            _id=message_id, direction=OUTBOUND, phoneNumberId=phone_number_id, chatbotId=chatbot, createdAt=now
        )
        message = working.add_message(Message(document, new=True))
    return message


def _message_of(working: Working, fact: StatusSeen, owner: str | None, now: datetime) -> Message:
    """The message that a status speaks of; `owner` is the account that its number belongs to."""
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
        if of_owner and not stands_in and not _is_inbound(message) and _is_at(message, number, owner):
            return message
    return _outbound(working, of_another_system, number, owner, now)


def _is_of(message: Message, phone_number_id: str | None, chatbot_id: str) -> bool:
    """Whether a send's message stands where its result says; the result may know no number, and then any is right."""
    document = message.document
    return document.get("chatbotId") == chatbot_id and phone_number_id in (None, document.get("phoneNumberId"))


def _note_wamid(working: Working, message: Message, wamid: str) -> None:
    """One send has one wamid, unless an unanswered call turned out to have been taken after all."""
    first, others = message.document.get("wamid"), message.document.get("otherWamids", ())
    if first is None:
        message.set("wamid", wamid)
    elif first != wamid and wamid not in others and len(others) < MAX_OTHER_WAMIDS:
        message.set("otherWamids", [*others, wamid])
    else:
        return
    working.note_wamid(message, wamid)


def _join(
    working: Working, message: Message, to: Named, chatbot: str | None, now: datetime, *, error: MetaError | None
) -> None:
    """Put an outbound message into its conversation, which comes to be if need be."""
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


def _record(
    message: Message, key: str, word: str, origin: str, at: datetime, fact: StatusSeen | Result, now: datetime
) -> bool:
    """Enter a status into the history; whether this record is the one to publish it."""
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
        )
    )
    if error is not None and message.document["deliveryStatus"] == word:
        message.set("error", error_document(error))
    return True
