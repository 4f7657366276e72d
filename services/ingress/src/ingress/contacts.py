"""The people of a change, found by their ids, and whom its messages and statuses are about. Pure."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from common.contracts.notations import canonical
from common.contracts.people import Contact
from common.meta.lenient import BAD
from ingress import shapes
from ingress.shapes import Message, Person, Profile, Status, System, read

_FEW: Final = 8  # up to this many are looked through; nearly every change has one
_UNKNOWN: Final = Person()
_WRITTEN: Final = re.compile(r"[+0-9 ().-]+")


class People:
    """A value's `contacts`, found by any notation of their numbers (`common.contracts.notations`).

    A change may have two thousand beside two thousand messages, so many of them are indexed: looking through all of
    them for each message would take seconds.
    """

    __slots__ = ("_index", "_only", "_people")

    def __init__(self, people: Sequence[Person]) -> None:
        self._people = [_plain(person) for person in people]
        self._index: _Index | None = None
        self._only: Person | None = None

    def match(self, user_id: str | None, wa_id: str | None) -> Person:
        """The first person with one of the ids; one without any when there is none."""
        if len(self._people) > _FEW:
            self._index = self._index or _Index(self._people)
            return self._index.match(user_id, wa_id)
        number = _canonical(wa_id)
        for person in self._people:
            if (user_id and person.user_id == user_id) or (number and _canonical(person.wa_id) == number):
                return person
        return _UNKNOWN

    def only(self) -> Person:
        """The one person that all of them name; one without any id when there is none, or more than one."""
        if self._only is None:
            named = {(one.user_id, one.wa_id): one for one in self._people if one.user_id or one.wa_id}
            self._only = next(iter(named.values())) if len(named) == 1 else _UNKNOWN
        return self._only


class _Index:
    """Where in the list each id is first."""

    def __init__(self, people: Sequence[Person]) -> None:
        self._people = people
        self._by_user_id: dict[str, int] = {}
        self._by_number: dict[str, int] = {}
        for place, person in enumerate(people):
            if person.user_id:
                self._by_user_id.setdefault(person.user_id, place)
            if person.wa_id:
                self._by_number.setdefault(canonical(person.wa_id), place)

    def match(self, user_id: str | None, wa_id: str | None) -> Person:
        nowhere = len(self._people)
        by_user_id = self._by_user_id.get(user_id or "", nowhere)
        place = min(by_user_id, self._by_number.get(_canonical(wa_id) or "", nowhere))
        return self._people[place] if place < nowhere else _UNKNOWN


def _said(given: str | None) -> str | None:
    """An id without blanks around it; one of blanks alone is none."""
    return (given.strip() or None) if given else None


def _number(given: str | None) -> str | None:
    """The digits of a phone number that is written with `+`, blanks, dots, dashes or brackets; else the text itself."""
    if given is None or (given.isascii() and given.isdigit()):  # as nearly all
        return given
    text = given.strip()
    return ("".join(filter(str.isdigit, text)) if _WRITTEN.fullmatch(text) else text) or None


def _plain(person: Person) -> Person:
    number, user_id, parent = _number(person.wa_id), _said(person.user_id), _said(person.parent_user_id)
    if (number, user_id, parent) == (person.wa_id, person.user_id, person.parent_user_id):
        return person
    return Person(wa_id=number, user_id=user_id, parent_user_id=parent, profile=person.profile)


def _canonical(wa_id: str | None) -> str | None:
    return canonical(wa_id) if wa_id else None


def sender_of(message: Message, raw: msgspec.Raw, people: People) -> Contact:
    """Who wrote a message: whom it names, else whom its `system` part is about, else the only contact beside it."""
    user_id, wa_id = _said(message.from_user_id), _number(message.sender)
    if not (user_id or wa_id):
        user_id, wa_id = _named_by_system(raw)
    person = people.match(user_id, wa_id) if user_id or wa_id else people.only()
    profile = person.profile or Profile()
    return Contact(
        user_id=user_id or person.user_id,
        wa_id=wa_id or person.wa_id,
        parent_user_id=_said(message.from_parent_user_id) or person.parent_user_id,
        group_id=_said(message.group_id),
        name=profile.name,
        username=profile.username,
    )


def recipient_of(status: Status, people: People) -> Contact:
    """Whom a status is about: whom it names, else the only contact beside it."""
    if status.recipient_type == "group" and (group_id := _said(status.recipient_id)):
        return Contact(group_id=group_id)
    user_id, wa_id = _said(status.recipient_user_id), _number(status.recipient_id)
    person = people.match(user_id, wa_id) if user_id or wa_id else people.only()
    profile = person.profile or Profile()
    return Contact(
        user_id=user_id or person.user_id,
        wa_id=wa_id or person.wa_id,
        parent_user_id=_said(status.recipient_parent_user_id) or person.parent_user_id,
        name=profile.name,
        username=profile.username,
    )


def _named_by_system(raw: msgspec.Raw) -> tuple[str | None, str | None]:
    """User id and phone number of the person that a system message is about (Meta, "system messages webhook")."""
    try:
        system = read(shapes.SYSTEM, raw).system or System()
    except BAD:
        return None, None
    user_id = _said(system.user_id) or _said(system.previous_user_id)
    return user_id, _number(system.wa_id) or _number(system.new_wa_id) or _number(system.customer)
