"""What is looked for: the person, within one chatbot or all, and what hangs on their messages. Pure.

A query that an index serves is asked at once; any other is put to a collection page by page, so as few as can be.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from common.contracts.ids import derive_id
from wa.erase.person import Person

Query = dict[str, Any]

ERASED: Final = "erased"
"""What stands where a name has to stand."""

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
        """Conversations with the person, those that were merged into a known one, and groups they wrote in last."""
        aliases = {"aliases": {"$regex": self.person.as_alias}}
        return self._within(aliases, {"mergedInto": {"$in": sorted(known)}}, *self.person.is_contact("contact"))

    def messages(self) -> Query:
        """Messages from and to the person, wherever they stand."""
        return self._within(*self.person.is_contact("contact"), {"to": {"$regex": self.person.as_recipient}})

    def participants(self) -> Query:
        """Messages to groups, whose history says what became of them with this person."""
        return self._within({"statuses.participant": {"$in": self.participant_names}})

    @property
    def participant_names(self) -> list[str]:
        """What a history calls the person."""
        return sorted(self.person.users | self.person.phones)

    def webhook_events(self, wamids: Iterable[str]) -> list[Query]:
        """Entries of the log whose text names the person, and those of the person's messages."""
        numbers = {} if self.tenant is None else {"phoneNumberId": {"$in": sorted(self.tenant.numbers)}}
        return [{**numbers, "raw": {"$regex": self.person.in_text}}, *one_of("wamid", wamids)]

    def usage(self, conversations: Iterable[str], messages: Iterable[str], wamids: Iterable[str]) -> list[Query]:
        """What was used for the person, and still says for whom."""
        derived = [derive_id("usage", "send", message) for message in messages]
        fresh = [{**query, "messageId": {"$exists": True}} for query in one_of("_id", derived)]
        return [*one_of("conversationId", conversations), *one_of("wamid", wamids), *fresh]

    def journal(self) -> Query:
        """Sends to the person."""
        return self._within({"to": {"$regex": self.person.as_recipient}}, *self.person.is_contact("contact"))

    def parked(self) -> Query:
        """Sends to the person that wait for their turn."""
        group = {} if self.tenant is None else {"group": self.tenant.chatbot}
        return {**group, "lane": {"$regex": self.person.as_alias}}

    def is_scheduled(self, request: Any) -> bool:
        """Whether a request that waits for its time is to the person."""
        if not isinstance(request, dict) or not self.person.is_recipient(request.get("to")):
            return False
        return self.tenant is None or request.get("chatbotId") == self.tenant.chatbot

    def _within(self, *any_of: Query) -> Query:
        """Documents with a `chatbotId` that match any of these; while no account was connected they had none."""
        query: Query = {"$or": list(any_of)}
        if self.tenant is None:
            return query
        nameless = {"chatbotId": {"$exists": False}, "phoneNumberId": {"$in": sorted(self.tenant.numbers)}}
        return {"$and": [{"$or": [{"chatbotId": self.tenant.chatbot}, nameless]}, query]}


def one_of(field: str, values: Iterable[str]) -> list[Query]:
    """Documents whose field has one of the values; as several queries, for a query has its largest size."""
    return [{field: {"$in": part}} for part in _parts(values)]


def _parts(values: Iterable[str]) -> Iterator[Sequence[str]]:
    ordered = sorted(values)
    return (ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE))
