"""The queries that find the person at one chatbot or at all, and the documents that depend on their messages. Pure.

A query with an index runs at once. Any other query goes through a collection page by page, so there are few of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from common.contracts.ids import derive_id, ordered_id
from wa.erase.person import Person

Query = dict[str, Any]

ERASED: Final = "erased"
"""The value that replaces a name in a required field."""

_AT_ONCE: Final = 1_000
"""Documents that are changed or removed with one command."""

_IN_A_SWEEP: Final = 50_000
"""Values that each document is compared with. More of them are another sweep."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """One chatbot and its business numbers."""

    chatbot: str
    numbers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Scope:
    """The person's names; `tenant`: None means at all chatbots."""

    person: Person
    tenant: Tenant | None = None

    def conversations(self, known: Iterable[str]) -> Query:
        """Conversations with the person, those merged into a known one, and groups whose last writer is the person."""
        aliases = {"aliases": {"$regex": self.person.as_alias}}
        return self._within(aliases, {"mergedInto": {"$in": sorted(known)}}, *self.person.is_contact("contact"))

    def messages(self) -> Query:
        """Messages from and to the person in any conversation."""
        return self._within(*self.person.is_contact("contact"), {"to": {"$regex": self.person.as_recipient}})

    def participants(self) -> Query:
        """Messages to groups whose statuses name this person."""
        return self._within({"statuses.participant": {"$in": self.participant_names}})

    @property
    def participant_names(self) -> list[str]:
        """The names of the person in statuses."""
        return sorted(self.person.users | self.person.phones)

    def conversations_of(self, numbers: Iterable[str]) -> Query:
        """Conversations of these business numbers that have one of the person's names, by an index."""
        names = [f"{number}|{name}" for number in sorted(numbers) for name in self.person.aliases]
        return self._within({"aliases": {"$in": names}})

    def webhook_events(self, wamids: Iterable[str]) -> list[Query]:
        """Webhook events whose text names the person, and those of the person's messages: a query for each sweep."""
        numbers = {} if self.tenant is None else {"phoneNumberId": {"$in": sorted(self.tenant.numbers)}}
        named = {**numbers, "raw": {"$regex": self.person.in_text}}
        by_wamid = _sweeps("wamid", wamids)
        return [{"$or": [named, *by_wamid[:1]]}, *by_wamid[1:]]

    def usage(self, conversations: Iterable[str], wamids: Iterable[str]) -> list[Query]:
        """Usage records that still name the person's conversations or messages: a query for each sweep."""
        by_conversation, by_wamid = _sweeps("conversationId", conversations), _sweeps("wamid", wamids)
        if len(by_conversation) == len(by_wamid) == 1:
            return [{"$or": [*by_conversation, *by_wamid]}]
        return [*by_conversation, *by_wamid]

    def sent_usage(self, messages: Mapping[str, datetime | None]) -> list[Query]:
        """Usage records of the person's messages by their ids, which are made of the messages' (and their creation)."""
        derived = [derive_id("usage", "send", message) for message in messages]
        derived += [ordered_id(created, "usage", "send", message) for message, created in messages.items() if created]
        return [{**query, "messageId": {"$exists": True}} for query in one_of("_id", derived)]

    def journal(self) -> Query:
        """Sends to the person."""
        return self._within({"to": {"$regex": self.person.as_recipient}}, *self.person.is_contact("contact"))

    def parked(self) -> Query:
        """Parked sends to the person."""
        group = {} if self.tenant is None else {"group": self.tenant.chatbot}
        return {**group, "lane": {"$regex": self.person.as_alias}}

    def is_scheduled(self, request: Any) -> bool:
        """Whether a scheduled request goes to the person."""
        if not isinstance(request, dict) or not self.person.is_recipient(request.get("to")):
            return False
        return self.tenant is None or request.get("chatbotId") == self.tenant.chatbot

    def _within(self, *any_of: Query) -> Query:
        """Documents with a `chatbotId` that match any of these; documents from before the account have none."""
        query: Query = {"$or": list(any_of)}
        if self.tenant is None:
            return query
        nameless = {"chatbotId": {"$exists": False}, "phoneNumberId": {"$in": sorted(self.tenant.numbers)}}
        return {"$and": [{"$or": [{"chatbotId": self.tenant.chatbot}, nameless]}, query]}


def one_of(field: str, values: Iterable[str]) -> list[Query]:
    """Documents whose field has one of the values; in several queries, because the size of a query is limited."""
    return [{field: {"$in": part}} for part in _parts(values)]


def _sweeps(field: str, values: Iterable[str]) -> list[Query]:
    return [{field: {"$in": part}} for part in _parts(values, _IN_A_SWEEP)]


def _parts(values: Iterable[str], size: int = _AT_ONCE) -> Iterator[Sequence[str]]:
    ordered = sorted(values)
    return (ordered[start : start + size] for start in range(0, len(ordered), size))
