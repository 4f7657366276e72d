"""The people of a change, found by their ids, and whom its messages and statuses are about. Pure."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from common.contracts.notations import canonical
from common.contracts.people import Contact
from common.meta.lenient import BAD
from ingress import shapes
from ingress.shapes import Message, Person, Profile, Status, System, read

_PARENT: Final = "parent:"
_UNKNOWN: Final = Person()
_WRITTEN: Final = re.compile(r"[+0-9 ().-]+")


class People:
    """A value's `contacts`, found by any notation of their numbers (`common.contracts.notations`).

    Contacts that share an id are one person. They are indexed: a change may have two thousand beside two thousand
    messages, and looking through all of them for each message would take seconds.
    """

    __slots__ = ("_index", "_messages", "_of_one", "_people", "_statuses")

    def __init__(
        self, people: Sequence[Person], messages: Sequence[msgspec.Raw] = (), statuses: Sequence[msgspec.Raw] = ()
    ) -> None:
        self._people = _grouped([_plain(person) for person in people])
        self._index = {key: person for person in reversed(self._people) for key in _keys(person)}
        self._messages, self._statuses = messages, statuses
        self._of_one: bool | None = None

    def match(self, user_id: str | None, wa_id: str | None, parent_user_id: str | None = None) -> Person:
        """The person with one of the ids, else the only one there is; one without any when there is none.

        The only one is not taken when it has another id than the one that is given, or when the messages and statuses
        beside it are about several people: it could be any of them.
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

    def _is_of_one(self) -> bool:
        if self._of_one is None:
            named = {*_senders(self._messages), *_recipients(self._statuses)}
            self._of_one = len(named - {(None, None)}) < 2  # one person, or none
        return self._of_one


def _senders(messages: Sequence[msgspec.Raw]) -> Iterator[tuple[str | None, str | None]]:
    for raw in messages:
        with suppress(*BAD):
            message = read(shapes.MESSAGE, raw)
            yield _said(message.from_user_id), _canonical(_number(message.sender))


def _recipients(statuses: Sequence[msgspec.Raw]) -> Iterator[tuple[str | None, str | None]]:
    for raw in statuses:
        with suppress(*BAD):
            status = read(shapes.STATUS, raw)
            if status.recipient_type != "group":
                yield _said(status.recipient_user_id), _canonical(_number(status.recipient_id))


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
    parent = _said(message.from_parent_user_id)
    person = people.match(user_id, wa_id, parent) if user_id or wa_id or parent else people.only()
    profile = person.profile or Profile()
    return Contact(
        user_id=user_id or person.user_id,
        wa_id=wa_id or person.wa_id,
        parent_user_id=parent or person.parent_user_id,
        group_id=_said(message.group_id),
        name=profile.name,
        username=profile.username,
    )


def recipient_of(status: Status, people: People) -> Contact:
    """Whom a status is about: whom it names, else the only contact beside it."""
    if status.recipient_type == "group" and (group_id := _said(status.recipient_id)):
        return Contact(group_id=group_id)
    user_id, wa_id = _said(status.recipient_user_id), _number(status.recipient_id)
    parent = _said(status.recipient_parent_user_id)
    person = people.match(user_id, wa_id, parent) if user_id or wa_id or parent else people.only()
    profile = person.profile or Profile()
    return Contact(
        user_id=user_id or person.user_id,
        wa_id=wa_id or person.wa_id,
        parent_user_id=parent or person.parent_user_id,
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
