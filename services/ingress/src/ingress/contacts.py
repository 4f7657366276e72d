"""The people of a change, found by their ids. Pure."""

from collections.abc import Sequence
from typing import Final

from ingress.shapes import Person

_FEW: Final = 8  # up to this many are looked through; nearly every change has one
_UNKNOWN: Final = Person()


class People:
    """A value's `contacts`.

    A change may have two thousand beside two thousand messages, so many of them are indexed: looking through all of
    them for each message would take seconds.
    """

    __slots__ = ("_index", "_people")

    def __init__(self, people: Sequence[Person]) -> None:
        self._people = people
        self._index: _Index | None = None

    def match(self, user_id: str | None, wa_id: str | None) -> Person:
        """The first person with one of the ids; one without any when there is none."""
        if len(self._people) > _FEW:
            self._index = self._index or _Index(self._people)
            return self._index.match(user_id, wa_id)
        for person in self._people:
            if (user_id and person.user_id == user_id) or (wa_id and person.wa_id == wa_id):
                return person
        return _UNKNOWN


class _Index:
    """Where in the list each id is first."""

    def __init__(self, people: Sequence[Person]) -> None:
        self._people = people
        self._by_user_id: dict[str, int] = {}
        self._by_wa_id: dict[str, int] = {}
        for place, person in enumerate(people):
            if person.user_id:
                self._by_user_id.setdefault(person.user_id, place)
            if person.wa_id:
                self._by_wa_id.setdefault(person.wa_id, place)

    def match(self, user_id: str | None, wa_id: str | None) -> Person:
        nowhere = len(self._people)
        place = min(self._by_user_id.get(user_id or "", nowhere), self._by_wa_id.get(wa_id or "", nowhere))
        return self._people[place] if place < nowhere else _UNKNOWN
