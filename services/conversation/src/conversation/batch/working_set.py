"""The documents of a batch in memory: what was read, what is new, what has changed. No IO."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from conversation.batch.service_window import CLOSED_AT, FREE_ENTRY_AT, LAST_CALL, LAST_INBOUND

Document = dict[str, Any]

INBOUND: Final = "inbound"
OUTBOUND: Final = "outbound"

CONTACT_AT: Final = "contactAt"
"""The time of the message that the shown contact is from."""

PHONE_AT: Final = "phoneAt"
"""When Meta last named the person's BSUID and phone number together."""

AWAITED: Final = "awaitedAliases"
"""New phone numbers whose BSUID Meta has not named yet."""

PLACE: Final = "place"
"""Of a message: its number in the order of arrival in its conversation, because Meta's times are whole seconds."""

LAST_PLACE: Final = "lastPlace"
"""Of a conversation: the highest place so far."""

ABSORBS: Final = "absorbs"
"""Of a conversation: the ids of those that were merged into it, and whose messages have yet to follow."""

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_COUNTS: Final = ("inboundCount", "outboundCount")
_TIMES: Final = ("lastMessageAt", LAST_INBOUND, LAST_CALL, FREE_ENTRY_AT, CLOSED_AT, PHONE_AT, CONTACT_AT)

MOVED_AT_ONCE: Final = 500
"""Messages that follow a merge in the transaction of its batch. More of them follow later, in slices."""

MAX_ALIASES: Final = 50
"""A person has one or two, and another with each new phone or account."""


@dataclass(eq=False, slots=True)
class Conversation:
    """One conversation. `changed` are the fields to set, `added` the counts to add, `lost` the aliases given up."""

    document: Document
    new: bool = False
    changed: Document = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    merged_into: "Conversation | None" = None
    absorbed: bool = False

    @property
    def id(self) -> str:
        """Its id; after a merge the id of the one that remains."""
        return self.root.document["_id"]  # type: ignore[no-any-return]  # documents are untyped

    @property
    def root(self) -> "Conversation":
        """Itself, or the one that it has become part of."""
        return self if self.merged_into is None else self.merged_into.root

    def next_place(self) -> int:
        """The place of the next message: higher than every earlier one, even if messages have been removed since."""
        counted = sum(self.document.get(name, 0) for name in _COUNTS)
        place: int = max(self.document.get(LAST_PLACE, 0), counted) + 1
        self.set(LAST_PLACE, place)
        return place

    def set(self, name: str, value: object) -> None:
        """Set a field, if that changes it."""
        if value is not None and self.document.get(name) != value:
            self.document[name] = value
            self.changed[name] = value

    def latest(self, name: str, moment: Any) -> None:
        """Move a time forward, never back."""
        if name not in self.document or self.document[name] < moment:
            self.set(name, moment)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a count."""
        self.document[name] = self.document.get(name, 0) + by
        self.added[name] = self.added.get(name, 0) + by


@dataclass(eq=False, slots=True)
class Message:
    """One message, in or out. `changed` are the fields to set, `pushed` the new entries of its status history."""

    document: Document
    new: bool = False
    changed: Document = field(default_factory=dict)
    pushed: list[Document] = field(default_factory=list)
    conversation: Conversation | None = None
    absorbed_into: "Message | None" = None

    @property
    def root(self) -> "Message":
        """Itself, or the one that it has become part of."""
        return self if self.absorbed_into is None else self.absorbed_into.root

    @property
    def is_inbound(self) -> bool:
        """Whether a person wrote it."""
        return bool(self.document.get("direction") == INBOUND)

    def is_at(self, number: str | None, owner: str | None) -> bool:
        """Whether it is of this number. An erased message has no number; then its account has to be `owner`."""
        known = self.document.get("phoneNumberId")
        return bool(known == number if known is not None else self.document.get("chatbotId") == owner)

    def set(self, name: str, value: object) -> None:
        """Set a field, if that changes it."""
        if value is not None and self.document.get(name) != value:
            self.document[name] = value
            self.changed[name] = value

    def status_entry(self, key: str) -> Document | None:
        """The history entry of one status, if it has come before."""
        for entry in self.document.get("statuses", ()):
            if entry["key"] == key:
                return entry  # type: ignore[no-any-return]  # documents are untyped
        return None

    def entries_of(self, prefix: str) -> list[Document]:
        """The history entries whose key begins so."""
        return [entry for entry in self.document.get("statuses", ()) if entry["key"].startswith(prefix)]

    def add_status(self, entry: Document) -> None:
        """Append to the history."""
        self.document.setdefault("statuses", []).append(entry)
        self.pushed.append(entry)

    def leave_conversation(self) -> None:
        """Leave the conversation, because it is of another account or number. The message joins its own one next."""
        self.conversation = None
        self.document.pop("conversationId", None)

    @property
    def conversation_id(self) -> str | None:
        """The conversation it belongs to, as far as that is known."""
        return self.conversation.id if self.conversation is not None else self.document.get("conversationId")


def newest_aliases(aliases: Sequence[str]) -> list[str]:
    """As many as one conversation may have: the newest, because a person is most likely to come with those again."""
    return list(aliases[-MAX_ALIASES:])


OwnedName = tuple[str | None, str]
"""An account and an alias, or a business number and a wamid: unique together. None: not known."""


@dataclass(slots=True)
class Known:
    """The documents in MongoDB that a batch is about.

    `ordered_since` is from when on messages have usage entries with ordered ids, `dated_since` from when
    on entries of the webhook log have a time in their ids; None: not yet.
    """

    messages: dict[str, Document] = field(default_factory=dict)
    conversations: list[Document] = field(default_factory=list)
    ordered_since: datetime | None = None
    dated_since: datetime | None = None


@dataclass(slots=True)
class WorkingSet:
    """All documents of a batch, found by their ids, and within an account or a number by their aliases and wamids.

    Two accounts that had the same business number one after the other share no conversation, and two numbers share no
    message, whatever ids a webhook names.
    """

    messages: dict[str, Message] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    by_alias: dict[OwnedName, Conversation] = field(default_factory=dict)
    by_wamid: dict[OwnedName, list[Message]] = field(default_factory=dict)
    merges: list[tuple[Conversation, Conversation]] = field(default_factory=list)
    absorbing: dict[str, Conversation] = field(default_factory=dict)
    _moved: int = 0
    absorbed: list[Message] = field(default_factory=list)

    @classmethod
    def of(cls, known: Known) -> "WorkingSet":
        """Working copies of what is known."""
        working = cls()
        for document in known.conversations:
            working.add(Conversation(dict(document)))
        for document in known.messages.values():
            message = working.add_message(Message(dict(document)))
            message.conversation = working.of_id(document.get("conversationId", ""))
        return working

    def of_id(self, conversation_id: str) -> Conversation | None:
        """The conversation with this id, or the one that has absorbed it and whose messages have yet to follow."""
        return self.conversations.get(conversation_id) or self.absorbing.get(conversation_id)

    def add(self, conversation: Conversation) -> Conversation:
        """Take a conversation in, under all of its aliases."""
        self.conversations[conversation.document["_id"]] = conversation
        owner = conversation.document.get("chatbotId")
        for alias in conversation.document["aliases"]:
            self.by_alias[owner, alias] = conversation
        for absorbed in conversation.document.get(ABSORBS, ()):
            self.absorbing[absorbed] = conversation
        return conversation

    def add_message(self, message: Message) -> Message:
        """Take a message in, under its id and its wamids."""
        self.messages[message.document["_id"]] = message
        for wamid in (message.document.get("wamid"), *message.document.get("otherWamids", ())):
            if wamid is not None:
                self.note_wamid(message, wamid)
        return message

    def note_wamid(self, message: Message, wamid: str) -> None:
        """Let a message be found by one of its wamids."""
        name = message.document.get("phoneNumberId"), wamid
        self.by_wamid.setdefault(name, []).append(message)

    def absorb(self, message: Message, stand_in: Message) -> None:
        """Make two messages one: from now on only `message` is found."""
        stand_in.absorbed_into = message
        del self.messages[stand_in.document["_id"]]
        for found in self.by_wamid.values():
            if stand_in in found:
                found.remove(stand_in)
        self.absorbed.append(stand_in)

    def of_wamid(self, phone_number_id: str | None, wamid: str) -> list[Message]:
        """The messages of a business number that have this wamid."""
        return self.by_wamid.get((phone_number_id, wamid), [])

    def found(self, owner: str | None, aliases: Iterable[str]) -> list[Conversation]:
        """The different conversations of an account that have one of these aliases, in the order of the aliases."""
        roots: dict[int, Conversation] = {}
        for alias in aliases:
            conversation = self.by_alias.get((owner, alias))
            if conversation is not None:
                roots.setdefault(id(conversation.root), conversation.root)
        return list(roots.values())

    def release(self, conversation: Conversation, aliases: Sequence[str]) -> None:
        """Remove a phone number that another person has now: the conversation is not found, shown or awaited by it."""
        document = conversation.document
        for alias in aliases:
            self.by_alias.pop((document.get("chatbotId"), alias), None)
        conversation.lost.extend(aliases)
        conversation.set("aliases", [alias for alias in document["aliases"] if alias not in aliases])
        if AWAITED in document:
            conversation.set(AWAITED, [alias for alias in document[AWAITED] if alias not in aliases])
        contact = document.get("contact", {})
        if any(alias.endswith(f"|p:{contact.get('waId')}") for alias in aliases):
            conversation.set("contact", {name: value for name, value in contact.items() if name != "waId"})

    def merge(self, winner: Conversation, loser: Conversation) -> None:
        """Make two conversations one: the aliases move, and the messages follow."""
        loser.merged_into = winner
        owner = loser.document.get("chatbotId")
        for alias in loser.document["aliases"]:
            self.by_alias[owner, alias] = winner
        winner.set("aliases", newest_aliases([*winner.document["aliases"], *loser.document["aliases"]]))
        for name in _COUNTS:
            winner.count(name, loser.document.get(name, 0))
        winner.set("contact", _contact_of_both(winner.document, loser.document))
        for name in (*_TIMES, LAST_PLACE):
            if name in loser.document:
                winner.latest(name, loser.document[name])
        self.merges.append((winner, loser))
        self._follow(winner, loser)

    def _follow(self, winner: Conversation, loser: Conversation) -> None:
        """Let the messages of the loser follow: at once if they are few, else it is marked as absorbed."""
        waiting = loser.document.get(ABSORBS, [])
        count = 0 if loser.new else sum(loser.document.get(name, 0) for name in _COUNTS)
        if waiting or self._moved + count > MOVED_AT_ONCE:
            winner.set(ABSORBS, [*winner.document.get(ABSORBS, []), *waiting, loser.document["_id"]])
            self.absorbing.update(dict.fromkeys([*waiting, loser.document["_id"]], winner))
            loser.absorbed = True
        else:
            self._moved += count


def _contact_of_both(winner: Document, loser: Document) -> Document | None:
    """The contact of two conversations that are one: each field as it was known last."""
    older, newer = sorted((loser, winner), key=lambda one: one.get(CONTACT_AT, _NEVER))
    return {**older.get("contact", {}), **newer.get("contact", {})} or None


Chatbots = Mapping[str, str]
"""phone number id → chatbot id, of the accounts that exist"""
