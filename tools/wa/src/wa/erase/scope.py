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

_AT_ONCE: Final = 5_000


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

    def webhook_events(self, wamids: Iterable[str]) -> list[Query]:
        """Webhook events whose text names the person, and those of the person's messages."""
        numbers = {} if self.tenant is None else {"phoneNumberId": {"$in": sorted(self.tenant.numbers)}}
        return [{**numbers, "raw": {"$regex": self.person.in_text}}, *one_of("wamid", wamids)]

    def usage(
        self, conversations: Iterable[str], messages: Mapping[str, datetime | None], wamids: Iterable[str]
    ) -> list[Query]:
        """Usage records that still name the person's conversations or messages (with when these were created)."""
        derived = [derive_id("usage", "send", message) for message in messages]
        derived += [ordered_id(created, "usage", "send", message) for message, created in messages.items() if created]
        fresh = [{**query, "messageId": {"$exists": True}} for query in one_of("_id", derived)]
        return [*one_of("conversationId", conversations), *one_of("wamid", wamids), *fresh]

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


def _parts(values: Iterable[str]) -> Iterator[Sequence[str]]:
    ordered = sorted(values)
    return (ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE))
