"""A year of turns, and which documents of them are still there at its end, as the services keep them. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from bson.raw_bson import RawBSONDocument

from common.contracts.stored.usage import COUNT, REBUILT, counter, counters_of
from common.mongo import Document, schema
from yardstick.stored.facts import documents_of
from yardstick.stored.seeding import Seeds
from yardstick.stored.turn import FAILED, STATUSES, TURNS_EACH, People, Turn

MESSAGES_EACH: Final = 2
"""A turn leaves two messages."""

_YEAR: Final = timedelta(days=365)
_KEPT: Final = {
    schema.MESSAGES.name: _YEAR,
    schema.WEBHOOK_EVENTS.name: timedelta(days=30),
    schema.USAGE_LOGS.name: timedelta(days=180),
    schema.SEND_JOURNAL.name: timedelta(days=30),
}
"""The defaults of the services."""

_FAILS: Final = 50
"""One answer of so many does not arrive."""


@dataclass(frozen=True)
class Year:
    """So many turns in the year that ended at `until`. Each customer has five, ten messages in all."""

    turns: int
    until: datetime

    @classmethod
    def of(cls, messages: int, until: datetime) -> "Year":
        """A year with so many messages."""
        return cls(max(TURNS_EACH, messages // MESSAGES_EACH), until.replace(microsecond=0))

    @cached_property
    def people(self) -> People:
        """Who writes in it."""
        return People.of(self.turns, self.until, _YEAR / self.turns)

    def turn(self, number: int) -> Turn:
        """Turn `number`, from 0 on."""
        return self.people.turn(number)

    def first_kept(self, collection: str) -> int:
        """The first turn whose documents of a collection are still there."""
        return self.turns - int(self.turns * min(1.0, _KEPT[collection] / _YEAR))

    def kept(self, number: int) -> list[str]:
        """The collections in which this turn still has documents. Its conversation comes with the customer's last."""
        found = [name for name in _KEPT if number >= self.first_kept(name)]
        return [*found, *([schema.CONVERSATIONS.name] if number >= self.turns - self.people.count else [])]

    def fails(self, number: int) -> bool:
        """Whether the answer of this turn does not arrive."""
        return number % _FAILS == _FAILS - 1

    def counters(self) -> Iterator[Document]:
        """The counters of usage, by the service's own rule. They are kept for good."""
        turns = Counter((turn.chatbot, str(turn.at.date())) for turn in map(self.turn, range(self.turns)))
        first = self.turn(0)
        entries = documents_of(first, first.received)[schema.USAGE_LOGS.name]
        keys = [fields for fields, _ in counters_of(entries, REBUILT).values()]
        for (chatbot, day), count in turns.items():
            for key in keys:
                id_, (fields, counted) = counter({**key, "chatbotId": chatbot, "day": day}, REBUILT, count)
                yield {"_id": id_, **fields, COUNT: counted}


class YearSeeds:
    """The documents of any turn of a year, as they are at its end."""

    def __init__(self, year: Year) -> None:
        self._year = year
        self._arrived = Seeds(year.people, STATUSES, last=TURNS_EACH)
        self._failed = Seeds(year.people, FAILED, last=TURNS_EACH)

    def of(self, numbers: Iterable[int]) -> Mapping[str, Sequence[RawBSONDocument]]:
        """The documents of some turns, by collection."""
        found: dict[str, list[Any]] = {}
        for number in numbers:
            seeds = self._failed if self._year.fails(number) else self._arrived
            for name, documents in seeds.some(number, self._year.kept(number)).items():
                found.setdefault(name, []).extend(map(RawBSONDocument, documents))
        return found
