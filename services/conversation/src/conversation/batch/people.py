"""Which conversation a fact belongs to: who is the same person, and who has a phone number now. Pure.

A BSUID always means the same person. A phone number belongs to one person at a time, namely to the one whom Meta has
named with it last. So two conversations are merged only when nothing contradicts it (docs/decisions/0024).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Final

from msgspec.structs import replace

from common.contracts.contacts import Contact, contact_of_recipient
from common.contracts.ids import derive_id
from common.contracts.phone_numbers.notations import canonical, notations
from common.meta.calls import Call
from conversation.batch.documents import aliases_of, contact_document, present
from conversation.batch.facts import Inbound, Result, StatusSeen
from conversation.batch.working_set import (
    AWAITED,
    CONTACT_AT,
    PHONE_AT,
    Conversation,
    Document,
    WorkingSet,
    newest_aliases,
)

_IDS: Final = ("userId", "waId", "parentUserId")


@dataclass(frozen=True, slots=True)
class NamedPerson:
    """One person on a business number, as a fact names it.

    `contact` is the address from now on. `aliases` certainly belong to the person, former ones first. `new` are the
    aliases of a phone number that the person has from now on, if Meta has not named the BSUID that comes with it.
    """

    contact: Contact
    aliases: tuple[str, ...]
    at: datetime
    new: frozenset[str] = frozenset()

    @property
    def users(self) -> frozenset[str]:
        """The BSUIDs among the aliases."""
        return frozenset(filter(is_user, self.aliases))


def is_user(alias: str) -> bool:
    """Whether an alias is a BSUID. An alias that is neither a BSUID nor a group is a phone number."""
    return "|u:" in alias


def users_of(conversation: Conversation) -> set[str]:
    """The BSUIDs of a conversation's person."""
    return set(filter(is_user, conversation.document["aliases"]))


def sender_of(fact: Inbound) -> NamedPerson:
    """Who wrote a message, or whom a `system` message is about."""
    data, identity = fact.event.data, fact.identity
    from_meta = data.contact or Contact()
    if not identity.changed:
        return NamedPerson(fact.contact, _aliases(data.phone_number_id, fact.contact), fact.at)
    unnamed = identity.moves(from_meta) and identity.now.user_id is None
    new = _aliases(data.phone_number_id, Contact(wa_id=identity.now.wa_id)) if unnamed else ()
    aliases = _aliases(data.phone_number_id, *identity.before, from_meta, fact.contact)
    return NamedPerson(fact.contact, aliases, fact.at, frozenset(new))


def recipient_of(fact: StatusSeen) -> NamedPerson:
    """To whom the message of a status went."""
    contact = fact.event.data.contact or Contact()
    return NamedPerson(contact, _aliases(fact.event.data.phone_number_id, contact), fact.at)


def addressee_of(fact: Result) -> NamedPerson:
    """The recipient of a send. Meta's ids and the producer's are of the same person."""
    data = fact.event.data
    given, from_meta = contact_of_recipient(data.to), data.contact
    if from_meta is None or given.group_id is not None:
        return NamedPerson(given, _aliases(data.phone_number_id, given), data.at)
    both = replace(from_meta, user_id=from_meta.user_id or given.user_id, wa_id=from_meta.wa_id or given.wa_id)
    return NamedPerson(both, _aliases(data.phone_number_id, from_meta, given), data.at)


def caller_of(call: Call, phone_number_id: str | None) -> NamedPerson:
    """Who called."""
    return NamedPerson(call.contact, _aliases(phone_number_id, call.contact), call.at)


def conversation_of(
    working: WorkingSet, phone_number_id: str | None, named: NamedPerson, chatbot: str | None, now: datetime
) -> Conversation | None:
    """The conversation of this person, created or merged as needed. A phone number is taken from its former owner."""
    if phone_number_id is None or not named.aliases:
        return None
    found = working.found(chatbot, named.aliases)
    if len(found) == 1 and not named.new and _is_known(found[0], named):  # nearly always
        conversation = found[0]
    else:
        conversation = _resolved(working, phone_number_id, named, chatbot, found, now)
    users, known = named.users, conversation.document["aliases"]
    if users and any(alias in known for alias in named.aliases if alias not in users):
        conversation.latest(PHONE_AT, named.at.replace(microsecond=0))  # whole seconds, as in Meta's times
    conversation.set("updatedAt", now)
    return conversation


def _is_known(conversation: Conversation, named: NamedPerson) -> bool:
    """Whether the fact names no new id of the person."""
    known = conversation.document["aliases"]
    return AWAITED not in conversation.document and all(alias in known for alias in named.aliases)


def _resolved(
    working: WorkingSet,
    phone_number_id: str,
    named: NamedPerson,
    chatbot: str | None,
    found: Sequence[Conversation],
    now: datetime,
) -> Conversation:
    """The person's conversation, with all ids that the fact names."""
    mine, others = _split_by_person(found, named)
    aliases = _own_aliases(working, named, others)
    if not mine:
        document = present(
            _id=_new_id(working, chatbot, aliases[0], now),
            phoneNumberId=phone_number_id,
            chatbotId=chatbot,
            aliases=[],
            createdAt=now,
        )
        mine = [working.add(Conversation(document, new=True))]
    conversation, awaited = mine[0], _awaited(mine, named)
    for other in mine[1:]:
        working.merge(conversation, other)
    _add_aliases(working, conversation, aliases, chatbot)
    conversation.set(AWAITED, awaited if awaited or AWAITED in conversation.document else None)
    return conversation


def _new_id(working: WorkingSet, chatbot: str | None, alias: str, now: datetime) -> str:
    """An id that no other conversation has, although an alias can begin several, even at the same time.

    A phone number begins one with each of its owners. A BSUID begins another when its person has had too many newer
    aliases.
    """
    given = "conversation", chatbot or "", alias, now.isoformat()
    found = derive_id(*given)
    for nth in count(2):
        if found not in working.conversations:
            break
        found = derive_id(*given, str(nth))
    return found


def note_sender(conversation: Conversation, named: NamedPerson) -> None:
    """Update the contact from the person's own message. A late message does not overwrite newer data."""
    since = conversation.document.get(CONTACT_AT)
    if since is not None and (named.at < since or (named.new and named.at == since)):
        note_recipient(conversation, named)
        return
    known = conversation.document.get("contact", {})
    if named.new:
        known = {name: value for name, value in known.items() if name not in _IDS}
    conversation.set("contact", {**known, **_shown(conversation, named.contact)})
    conversation.latest(CONTACT_AT, named.at)


def note_recipient(conversation: Conversation, named: NamedPerson) -> None:
    """Add what was not known yet to the contact, but no ids while the BSUID of a new number is awaited."""
    from_meta = _shown(conversation, named.contact)
    if conversation.document.get(AWAITED):
        from_meta = {name: value for name, value in from_meta.items() if name not in _IDS}
    conversation.set("contact", {**from_meta, **conversation.document.get("contact", {})})


def _split_by_person(
    found: Sequence[Conversation], named: NamedPerson
) -> tuple[list[Conversation], list[Conversation]]:
    """Split the conversations that have one of the aliases: those of this person, and those of other people."""
    person, mine, others = set(named.users), list[Conversation](), list[Conversation]()
    for conversation in found:
        theirs = users_of(conversation)
        if not theirs or not theirs.isdisjoint(person) or _is_linked(conversation, named, person, mine):
            person |= theirs
            mine.append(conversation)
        else:
            others.append(conversation)
    return mine, others


def _is_linked(conversation: Conversation, named: NamedPerson, person: set[str], mine: Sequence[Conversation]) -> bool:
    """Whether a conversation is this person's, although they have no BSUID in common."""
    held = {alias for alias in named.aliases if alias in conversation.document["aliases"]}
    if held <= named.new:  # the new number's: this person's if used after the change, else the former owner's
        since = conversation.document.get(PHONE_AT)
        return since is not None and since >= named.at
    awaited = conversation.document.get(AWAITED, ())
    return not person or (not any(map(users_of, mine)) and not held.isdisjoint(awaited))


def _own_aliases(working: WorkingSet, named: NamedPerson, others: Iterable[Conversation]) -> list[str]:
    """The aliases that belong to this person now, with phone numbers of others for which this fact is newer."""
    own = list(named.aliases)
    for other in others:
        held = [alias for alias in own if alias in other.document["aliases"]]
        since = other.document.get(PHONE_AT)
        if (named.users or named.new) and (since is None or since <= named.at):
            working.release(other, held)
        else:
            kept = {name for alias in held for name in _notations_of(alias)}
            own = [alias for alias in own if alias not in kept]
    return own


def _notations_of(alias: str) -> list[str]:
    number, kind, digits = alias.partition("|p:")
    return [f"{number}{kind}{name}" for name in notations(digits)]


def _awaited(mine: Sequence[Conversation], named: NamedPerson) -> list[str]:
    """The phone numbers whose BSUID is awaited: new ones, until Meta names a BSUID with them."""
    waiting = [alias for one in mine for alias in one.document.get(AWAITED, ())]
    if not named.new:
        return [alias for alias in waiting if not named.users or alias not in named.aliases]
    come = any(users_of(one) and not named.new.isdisjoint(one.document["aliases"]) for one in mine)
    return list(dict.fromkeys([*waiting, *([] if come else sorted(named.new))]))


def _add_aliases(working: WorkingSet, conversation: Conversation, aliases: Sequence[str], chatbot: str | None) -> None:
    known = conversation.document["aliases"]
    missing = [alias for alias in aliases if alias not in known]
    if missing:
        others = [alias for alias in known if alias not in aliases]
        conversation.set("aliases", newest_aliases([*others, *aliases]))
        working.by_alias.update(dict.fromkeys([(chatbot, alias) for alias in missing], conversation))


def _shown(conversation: Conversation, contact: Contact) -> Document:
    """The contact, without a phone number that another person has now."""
    shown = contact_document(contact)
    if contact.wa_id and contact.group_id is None:
        alias = f"{conversation.document['phoneNumberId']}|p:{canonical(contact.wa_id)}"
        if alias not in conversation.document["aliases"]:
            del shown["waId"]
    return shown


def _aliases(phone_number_id: str | None, *contacts: Contact) -> tuple[str, ...]:
    return tuple(aliases_of(phone_number_id, *contacts))
