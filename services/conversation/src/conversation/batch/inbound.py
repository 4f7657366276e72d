"""Applying what people do: their messages and calls. Pure."""

from datetime import datetime

from common.contracts.ids import inbound_message_id, message_id_before
from common.contracts.stored.versions import OF_MESSAGES
from common.contracts.webhooks import original_of
from common.meta.broken_text import kept_text
from conversation.batch.documents import contact_document, present
from conversation.batch.events import incoming
from conversation.batch.facts import ChangeSeen, Inbound
from conversation.batch.people import NamedPerson, caller_of, conversation_of, note_sender, sender_of
from conversation.batch.plan import Plan
from conversation.batch.service_window import FREE_ENTRY_AT, LAST_CALL, LAST_INBOUND, opens
from conversation.batch.working_set import INBOUND, PLACE, Chatbots, Conversation, Message, WorkingSet


def apply_inbound(result: Plan, fact: Inbound, chatbots: Chatbots, now: datetime, *, deactivated: bool) -> None:
    """A person's message; a repetition by Meta changes nothing."""
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
        message.set("published", False if deactivated else None)
    elif message.document.get("origin") != fact.origin:
        return  # a repetition by Meta: its first record publishes the event
    if message.document.get("published", True):
        result.events.append(incoming(fact, message))


def apply_calls(result: Plan, fact: ChangeSeen, chatbots: Chatbots, now: datetime) -> None:
    """A person's calls. A call is not a message, but it opens the service window as one does."""
    number = fact.event.data.phone_number_id
    for call in fact.calls:
        caller = caller_of(call, number)
        conversation = conversation_of(result.working, number, caller, chatbots.get(number or ""), now)
        if conversation is not None:
            note_sender(conversation, caller)
            conversation.latest(LAST_CALL, call.at)


def _stored_before(working: WorkingSet, fact: Inbound, owner: str | None) -> Message | None:
    """The message as an earlier version stored it, if it is of this number."""
    message = working.messages.get(message_id_before(fact.message.id))
    number = fact.event.data.phone_number_id
    return message if message is not None and message.is_inbound and message.is_at(number, owner) else None


def _new_inbound(
    message_id: str, fact: Inbound, conversation: Conversation | None, chatbot: str | None, now: datetime
) -> Message:
    data, content = fact.event.data, fact.content
    document = present(
        _id=message_id,
        v=OF_MESSAGES,
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


def _note_inbound(conversation: Conversation, fact: Inbound, sender: NamedPerson) -> None:
    note_sender(conversation, sender)
    conversation.latest("lastMessageAt", fact.at)
    if opens(fact.kind):
        conversation.latest(LAST_INBOUND, fact.at)
    if fact.referred:
        conversation.latest(FREE_ENTRY_AT, fact.at)
    conversation.count("inboundCount")
