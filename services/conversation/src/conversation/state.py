"""The documents of a batch as they are being worked on: what was known, what is new, what changed. No IO."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conversation.windows import FREE_ENTRY_AT, LAST_INBOUND

Document = dict[str, Any]


@dataclass(eq=False, slots=True)
class Conversation:
    """One conversation. `changed` are the fields to set, `added` the counts to add."""

    document: Document
    new: bool = False
    changed: Document = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    merged_into: "Conversation | None" = None

    @property
    def id(self) -> str:
        """Its id; after a merge the id of the one that stays."""
        return self.root.document["_id"]  # type: ignore[no-any-return]  # documents are untyped

    @property
    def root(self) -> "Conversation":
        """The one that stays."""
        return self if self.merged_into is None else self.merged_into.root

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

    def add_status(self, entry: Document) -> None:
        """Append to the history."""
        self.document.setdefault("statuses", []).append(entry)
        self.pushed.append(entry)

    @property
    def conversation_id(self) -> str | None:
        """The conversation it belongs to, as far as that is known."""
        return self.conversation.id if self.conversation is not None else self.document.get("conversationId")


@dataclass(slots=True)
class Known:
    """What MongoDB holds of what a batch speaks of."""

    messages: dict[str, Document] = field(default_factory=dict)
    conversations: list[Document] = field(default_factory=list)


@dataclass(slots=True)
class Working:
    """All documents of a batch, found by their ids and aliases."""

    messages: dict[str, Message] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    by_alias: dict[str, Conversation] = field(default_factory=dict)
    merges: list[tuple[Conversation, Conversation]] = field(default_factory=list)

    @classmethod
    def of(cls, known: Known) -> "Working":
        """Working copies of what is known."""
        working = cls(messages={key: Message(dict(document)) for key, document in known.messages.items()})
        for document in known.conversations:
            working.add(Conversation(dict(document)))
        for message in working.messages.values():
            message.conversation = working.conversations.get(message.document.get("conversationId", ""))
        return working

    def add(self, conversation: Conversation) -> Conversation:
        """Take a conversation in, under all of its aliases."""
        self.conversations[conversation.document["_id"]] = conversation
        for alias in conversation.document["aliases"]:
            self.by_alias[alias] = conversation
        return conversation

    def found(self, aliases: Iterable[str]) -> list[Conversation]:
        """The different conversations that have one of these aliases, in the order of the aliases."""
        roots: dict[int, Conversation] = {}
        for alias in aliases:
            conversation = self.by_alias.get(alias)
            if conversation is not None:
                roots.setdefault(id(conversation.root), conversation.root)
        return list(roots.values())

    def merge(self, winner: Conversation, loser: Conversation) -> None:
        """Two conversations are one: the aliases move, and the messages follow."""
        loser.merged_into = winner
        for alias in loser.document["aliases"]:
            self.by_alias[alias] = winner
        winner.set("aliases", [*winner.document["aliases"], *loser.document["aliases"]])
        for name in ("inboundCount", "outboundCount"):
            winner.count(name, loser.document.get(name, 0))
        for name in ("lastMessageAt", LAST_INBOUND, FREE_ENTRY_AT):
            if name in loser.document:
                winner.latest(name, loser.document[name])
        self.merges.append((winner, loser))


Chatbots = Mapping[str, str]
"""phone number id → chatbot id, of the accounts that exist"""
