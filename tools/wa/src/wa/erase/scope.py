"""What is looked for: the person, within one chatbot or all, and what hangs on their messages. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from common.contracts.ids import derive_id
from wa.erase.person import Person

Query = dict[str, Any]

_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Tenant:
    """One chatbot and its business numbers."""

    chatbot: str
    numbers: frozenset[str]


@dataclass(slots=True)
class Scope:
    """`tenant`: None means all. `conversations` are the person's own, `groups` others that they wrote in.

    `messages` and `wamids` name the person's messages, in and out.
    """

    person: Person
    tenant: Tenant | None = None
    conversations: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    messages: set[str] = field(default_factory=set)
    wamids: set[str] = field(default_factory=set)

    def within(self, query: Query) -> Query:
        """`query`, for documents with a `chatbotId`; while no account was connected they had none."""
        if self.tenant is None:
            return query
        nameless = {"chatbotId": {"$exists": False}, "phoneNumberId": {"$in": sorted(self.tenant.numbers)}}
        return {"$and": [{"$or": [{"chatbotId": self.tenant.chatbot}, nameless]}, query]}

    def of_conversations(self) -> Query:
        """Conversations with the person, those that were merged into one of them, and groups they wrote in last."""
        merged = {"mergedInto": {"$in": sorted(self.conversations)}}
        known = {"aliases": {"$regex": self.person.as_alias}}
        return self.within({"$or": [known, merged, *self.person.is_contact("contact")]})

    def of_messages(self) -> list[Query]:
        """Messages from and to the person; and those that an event of Meta's named after they had been erased."""
        person = self.person
        about = [*person.is_contact("contact"), {"to": {"$regex": person.as_recipient}}]
        own = [{"conversationId": {"$in": part}} for part in _parts(self.conversations)]
        return [*map(self.within, own), self.within({"$or": about}), *self._by_wamid()]

    def _by_wamid(self) -> list[Query]:
        return [{"$or": [{"wamid": {"$in": part}}, {"otherWamids": {"$in": part}}]} for part in _parts(self.wamids)]

    def of_participants(self) -> Query:
        """Messages to groups, whose history says what became of them with this person."""
        names = sorted(self.person.users | self.person.phones)
        return self.within({"statuses.participant": {"$in": names}})

    def of_webhook_events(self) -> list[Query]:
        """Entries of the log whose text names the person, and those of the person's messages."""
        numbers = {} if self.tenant is None else {"phoneNumberId": {"$in": sorted(self.tenant.numbers)}}
        named = {**numbers, "$or": [{"raw": {"$regex": self.person.in_text}}]}
        return [named, *({"wamid": {"$in": part}} for part in _parts(self.wamids))]

    def of_usage(self) -> list[Query]:
        """What was used for the person."""
        derived = {derive_id("usage", "send", message) for message in self.messages}
        return [
            *({"conversationId": {"$in": part}} for part in _parts(self.conversations)),
            *({"wamid": {"$in": part}} for part in _parts(self.wamids)),
            *({"_id": {"$in": part}, "messageId": {"$exists": True}} for part in _parts(derived)),
        ]

    def of_journal(self) -> list[Query]:
        """Sends to the person."""
        about = [{"to": {"$regex": self.person.as_recipient}}, *self.person.is_contact("contact")]
        named = [{"_id": {"$in": part}, "to": {"$ne": ERASED}} for part in _parts(self.messages)]
        return [self.within({"$or": about}), *named]

    def of_parked(self) -> Query:
        """Sends to the person that wait."""
        group = {} if self.tenant is None else {"group": self.tenant.chatbot}
        return {**group, "lane": {"$regex": self.person.as_alias}}

    def is_scheduled(self, request: Any) -> bool:
        """Whether a request that waits for its time is to the person."""
        if not isinstance(request, dict) or not self.person.is_recipient(request.get("to")):
            return False
        return self.tenant is None or request.get("chatbotId") == self.tenant.chatbot


ERASED: Final = "erased"
"""What stands where a name has to stand."""


def _parts(names: set[str]) -> Iterator[Sequence[str]]:
    ordered = sorted(names)
    return (ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE))
