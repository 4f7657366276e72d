"""The person to erase: all names of the person, and patterns that find them in texts. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from common.contracts.contacts import contact_of_recipient
from common.contracts.phone_numbers.notations import notations

_IN_RECIPIENT: Final = r"[^0-9]*(\(0\)[^0-9]*)?"
_BETWEEN_DIGITS: Final = "[-. ()/]{0,3}"
_PHONE: Final = re.compile(r"[1-9][0-9]{6,14}")
_BSUID: Final = re.compile(r"[A-Za-z]{2,}\.[A-Za-z0-9._-]{6,}")
_CONTACT_IDS: Final = ("userId", "parentUserId")


@dataclass(frozen=True, slots=True)
class Person:
    """One person: BSUIDs, and phone numbers as digits."""

    users: frozenset[str]
    phones: frozenset[str]

    @classmethod
    def named(cls, contact: str) -> "Person":
        """The person that an operator names by BSUID or phone number. Raises `ValueError` for anything else.

        A short text would match too many documents. A number that begins with 0 is refused, because WhatsApp never
        writes numbers so: nothing would match, and the operator would take the request for done.
        """
        found = contact_of_recipient(contact.strip())
        if found.user_id and _BSUID.fullmatch(found.user_id):
            return cls(frozenset({found.user_id}), frozenset())
        if found.wa_id and _PHONE.fullmatch(found.wa_id):
            return cls(frozenset(), frozenset(notations(found.wa_id)))
        raise ValueError(
            f"`{contact}` is neither a phone number with its country code (+49…, not 0151…) nor a BSUID (DE.1349…)"
        )

    @property
    def names(self) -> list[str]:
        """All names, in the notation that operators use."""
        return [*sorted(self.users), *(f"+{digits}" for digits in sorted(self.phones))]

    def with_names_of(self, conversations: Iterable[Mapping[str, Any]]) -> "Person":
        """The person with all names in these conversations. Conversations of groups are ignored."""
        users, phones = set(self.users), set(self.phones)
        for document in conversations:
            if is_group(document):
                continue
            for alias in document.get("aliases", ()):
                kind, _, name = alias.partition("|")[2].partition(":")
                (users if kind == "u" else phones).add(name)
            contact = document.get("contact", {})
            users.update(contact[key] for key in _CONTACT_IDS if key in contact)
            phones.update([contact["waId"]] if contact.get("waId") else [])
        return Person(frozenset(users), frozenset(phones))

    @property
    def in_text(self) -> str:
        """A pattern for texts with one of the names. Between digits it allows what people write there."""
        phones = (_BETWEEN_DIGITS.join(digits) for digits in sorted(self.phones))
        users = (re.escape(user) for user in sorted(self.users))
        return "(?<![0-9A-Za-z])(" + "|".join([*users, *phones]) + ")(?![0-9])"

    @property
    def as_recipient(self) -> str:
        """A pattern for the `to` of a send request, which may be written in any notation."""
        phones = ("[^0-9]*(00)?" + _IN_RECIPIENT.join(digits) + "[^0-9]*" for digits in self._dialled)
        users = (re.escape(user) for user in sorted(self.users))
        return "^(" + "|".join([*users, *phones]) + ")$"

    @property
    def as_alias(self) -> str:
        """A pattern for aliases of conversations and names of lanes, because both end with such a name."""
        users = (f"u:{re.escape(user)}" for user in sorted(self.users))
        return r"\|(" + "|".join([*users, *(f"p:{digits}" for digits in self._dialled)]) + ")$"

    @property
    def aliases(self) -> list[str]:
        """How aliases of conversations end that are the person's."""
        return [*(f"u:{user}" for user in sorted(self.users)), *(f"p:{digits}" for digits in self._dialled)]

    @property
    def _dialled(self) -> list[str]:
        """The phone numbers in all notations that name the same phone."""
        return sorted({notation for digits in self.phones for notation in notations(digits)})

    def is_contact(self, path: str) -> list[dict[str, Any]]:
        """Conditions for a contact's document at `path`, to be joined with `$or`."""
        users, phones = sorted(self.users), sorted(self.phones)
        return [{f"{path}.{key}": {"$in": users}} for key in _CONTACT_IDS] + [{f"{path}.waId": {"$in": phones}}]

    def is_recipient(self, to: object) -> bool:
        """Whether a send request's `to` names this person."""
        return isinstance(to, str) and re.search(self.as_recipient, to) is not None

    def is_named_in(self, text: str) -> bool:
        """Whether a text has one of the names."""
        return re.search(self.in_text, text) is not None


def is_group(conversation: Mapping[str, Any]) -> bool:
    """Whether a conversation's document is that of a group: its contact is its last writer."""
    return "groupId" in conversation.get("contact", {}) or any(
        "|g:" in alias for alias in conversation.get("aliases", ())
    )
