"""The people whom a value lists in its `contacts`: found by their ids, and who is meant where none is named. Pure.

Messages, statuses and calls name a person in the same ways, so they share these rules.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec

from common.contracts.contacts import Contact
from common.contracts.phone_numbers.notations import canonical
from common.meta.lenient import CUT

LONGEST_ID: Final = 256  # characters; the longest id of Meta's has a quarter of that
LONGEST_NAME: Final = 1_024  # characters; a name that WhatsApp shows has at most 25, a business's 512

Id = Annotated[str, msgspec.Meta(max_length=LONGEST_ID)]
Name = Annotated[str, msgspec.Meta(max_length=LONGEST_NAME, extra=CUT)]
Ids = tuple[str | None, str | None]
"""A user id and a phone number."""

_PARENT: Final = "parent:"
_WRITTEN: Final = re.compile(r"[+0-9 ().-]+")


class Profile(msgspec.Struct, forbid_unknown_fields=True):
    """How a person wants to be called."""

    name: Name | None = None
    username: Name | None = None


class Person(msgspec.Struct, forbid_unknown_fields=True):
    """One of a value's `contacts`."""

    wa_id: Id | None = None
    user_id: Id | None = None
    parent_user_id: Id | None = None
    profile: Profile | None = None


_UNKNOWN: Final = Person()
_NAMELESS: Final = Profile()


class People:
    """A value's `contacts`, found by any notation of their numbers (`common.contracts.phone_numbers.notations`).

    Contacts that share an id are one person. They are indexed: a change may have two thousand beside two thousand
    messages, and looking through all of them for each message would take seconds. `beside` are the ids that the
    messages, statuses and calls of the value name; they are read only if they are needed.
    """

    __slots__ = ("_beside", "_index", "_of_one", "_people")

    def __init__(self, people: Sequence[Person], beside: Iterable[Ids] = ()) -> None:
        self._people = _grouped([_plain(person) for person in people])
        self._index = {key: person for person in reversed(self._people) for key in _keys(person)}
        self._beside = beside
        self._of_one: bool | None = None

    def match(self, user_id: str | None, wa_id: str | None, parent_user_id: str | None = None) -> Person:
        """The person with one of the ids, else the only one there is; one without any when there is none.

        The only one is not taken when it has another id than the one that is given, or when what stands beside it is
        about several people: it could be any of them.
        """
        given = Person(user_id=user_id, wa_id=wa_id, parent_user_id=parent_user_id)
        for key in _keys(given):
            found = self._index.get(key)
            if found is not None and not (key.startswith(_PARENT) and _contradict(found, given)):
                return found
        if len(self._people) == 1 and not _contradict(self._people[0], given) and self._is_of_one():
            return self._people[0]
        return _UNKNOWN

    def only(self) -> Person:
        """The one person that all of them name; one without any id when there is none, or more than one."""
        named = [one for one in self._people if one.user_id or one.wa_id or one.parent_user_id]
        found = named or self._people
        return found[0] if len(found) == 1 else _UNKNOWN

    def contact(
        self, user_id: str | None, wa_id: str | None, parent_user_id: str | None, group_id: str | None = None
    ) -> Contact:
        """Who is meant by these ids, with what `contacts` say of them; by none, the one person that they all name."""
        named = user_id or wa_id or parent_user_id
        person = self.match(user_id, wa_id, parent_user_id) if named else self.only()
        profile = person.profile or _NAMELESS
        return Contact(
            user_id=user_id or person.user_id,
            wa_id=wa_id or person.wa_id,
            parent_user_id=parent_user_id or person.parent_user_id,
            group_id=group_id,
            name=profile.name,
            username=profile.username,
        )

    def _is_of_one(self) -> bool:
        if self._of_one is None:
            named = {(said(user_id), _canonical(number_of(wa_id))) for user_id, wa_id in self._beside}
            self._of_one = len(named - {(None, None)}) < 2  # one person, or none
        return self._of_one


def said(given: str | None) -> str | None:
    """An id without blanks around it; None when nothing is left."""
    return (given.strip() or None) if given else None


def number_of(given: str | None) -> str | None:
    """The digits of a phone number that is written with `+`, blanks, dots, dashes or brackets; else the text itself."""
    if given is None or (given.isascii() and given.isdigit()):  # as nearly all
        return given
    text = given.strip()
    return ("".join(filter(str.isdigit, text)) if _WRITTEN.fullmatch(text) else text) or None


def _plain(person: Person) -> Person:
    number, user_id, parent = number_of(person.wa_id), said(person.user_id), said(person.parent_user_id)
    if (number, user_id, parent) == (person.wa_id, person.user_id, person.parent_user_id):
        return person
    return Person(wa_id=number, user_id=user_id, parent_user_id=parent, profile=person.profile)


def _canonical(wa_id: str | None) -> str | None:
    return canonical(wa_id) if wa_id else None


def _keys(person: Person) -> list[str]:
    """What a person is found by, the strongest first."""
    keys = [f"u:{person.user_id}"] if person.user_id else []
    if person.wa_id:
        keys.append(f"p:{canonical(person.wa_id)}")
    if person.parent_user_id:
        keys.append(f"{_PARENT}{person.parent_user_id}")
    return keys


def _contradict(one: Person, other: Person) -> bool:
    """Whether they have different ids of one kind."""
    pairs = (
        (one.user_id, other.user_id),
        (_canonical(one.wa_id), _canonical(other.wa_id)),
        (one.parent_user_id, other.parent_user_id),
    )
    return any(mine and theirs and mine != theirs for mine, theirs in pairs)


def _grouped(people: list[Person]) -> list[Person]:
    """One for each person: those who share an id, and differ in none, are the same. Those with more ids come first."""
    if len(people) < 2:  # as nearly always
        return people
    groups: list[Person] = []
    places: dict[str, int] = {}
    for person in sorted(people, key=lambda one: -len(_keys(one))):
        keys = _keys(person)
        known = (places[key] for key in keys if key in places)
        place = next((place for place in known if not _contradict(groups[place], person)), len(groups))
        if place < len(groups):
            groups[place] = _merged(groups[place], person)
        else:
            groups.append(person)
        for key in keys:
            places.setdefault(key, place)
    return groups


def _merged(one: Person, other: Person) -> Person:
    mine, theirs = one.profile or Profile(), other.profile or Profile()
    return Person(
        wa_id=one.wa_id or other.wa_id,
        user_id=one.user_id or other.user_id,
        parent_user_id=one.parent_user_id or other.parent_user_id,
        profile=Profile(name=mine.name or theirs.name, username=mine.username or theirs.username),
    )
