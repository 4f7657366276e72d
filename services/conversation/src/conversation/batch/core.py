"""Applying a batch of facts. Pure: what is known goes in; documents to write and events to publish come out.

The rule of P8: a fact changes only messages of the business number that it arrived on, and only conversations of the
account that has the number. A status finds one of our sends only by callback data that we signed for the number.
Otherwise it finds a message of the same number and account by its wamid, or creates a message of its own.

The rule of P2: a message keeps its *origin*, the place on Kafka of the record that brought it. A record publishes its
event exactly when it is the origin. So the replay of a batch, after a crash between MongoDB and Kafka, publishes what
is missing. A repetition by Meta has another origin, so it publishes nothing. Each status and result in a message's
history follows the same rule.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from common.contracts.ids import inbound_message_id, message_id_before, outbound_message_id
from conversation.batch.facts import ChangeSeen, Fact, Inbound, Result, StatusSeen
from conversation.batch.inbound import apply_calls, apply_inbound
from conversation.batch.log_entries import webhook_entry
from conversation.batch.outbound import apply_result, apply_status
from conversation.batch.people import addressee_of, caller_of, recipient_of, sender_of
from conversation.batch.plan import Plan
from conversation.batch.working_set import Chatbots, Known, WorkingSet


@dataclass(frozen=True, slots=True)
class Keys:
    """What has to be read before a batch can be applied: messages by our ids or by wamids, conversations by aliases."""

    message_ids: frozenset[str]
    wamids: frozenset[str]
    aliases: frozenset[str]


def keys_of(facts: Iterable[Fact], chatbots: Chatbots) -> Keys:
    """The ids of messages and the aliases of conversations that the facts name."""
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
    facts: Sequence[Fact], known: Known, chatbots: Chatbots, now: datetime, deactivated: Collection[str] = frozenset()
) -> Plan:
    """Apply the facts in their order. `chatbots` knows the number of every fact that has an account.

    Messages on a number in `deactivated`, whose account is deactivated, are stored and never published.
    """
    result = Plan(
        WorkingSet.of(known), frozenset(fact.origin for fact in facts), known.ordered_since, known.dated_since
    )
    for fact in facts:
        match fact:
            case Inbound():
                apply_inbound(result, fact, chatbots, now, deactivated=fact.event.data.phone_number_id in deactivated)
            case StatusSeen():
                apply_status(result, fact, chatbots, now)
            case Result():
                apply_result(result, fact, now)
            case ChangeSeen():
                apply_calls(result, fact, chatbots, now)
            case _:
                assert_never(fact)
        if not isinstance(fact, Result):
            result.webhook_events.append(webhook_entry(fact, result.dated_since))
    return result
