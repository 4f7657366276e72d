"""Which partitions are read next, and which records are one transaction. Pure.

All partitions of a session are one batch, because a transaction costs the same for one partition as for twelve
(docs/decisions/0038). What one partition has must not hold the others up, though: not a backlog (`Turns`), not a record
that breaks its batch (`halves`), and not a transaction that does not get through (`SlowPartitions`).
"""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Final, Protocol, TypeVar

FULL_SECONDS: Final = 10.0
"""What a transaction has. It is below what Kafka lets a member be away."""

_FIRST_SECONDS: Final = 2.5
_LONGEST_REST: Final = 4  # times as long as the try: a slow partition has a fifth of the time in the end


class Written(Protocol):
    """A record with the time at which it was written (ms since 1970)."""

    timestamp: int


P = TypeVar("P", bound=Hashable)
R = TypeVar("R", bound=Written)


def in_written_order(batches: Iterable[Sequence[R]]) -> list[R]:
    """The records of several partitions in the order in which they were written, as far as clocks agree.

    Each partition keeps its own order, whatever the times in it are.
    """
    parts = list(batches)
    if len(parts) == 1:
        return list(parts[0])
    timed = [zip(accumulate((one.timestamp for one in part), max), part, strict=True) for part in parts]
    return [one for _, one in sorted(chain.from_iterable(timed), key=_time)]


def _time(timed: tuple[int, object]) -> int:
    return timed[0]


def halves(part: Mapping[P, Sequence[R]]) -> tuple[dict[P, Sequence[R]], dict[P, Sequence[R]]]:
    """The two halves of the partitions of a batch."""
    places = list(part.items())
    middle = len(places) // 2
    return dict(places[:middle]), dict(places[middle:])


class Turns:
    """After a full batch, the partitions that had no part in it come first. So a backlog of one delays none by more."""

    def __init__(self) -> None:
        self.served: frozenset[Hashable] = frozenset()

    def took(self, places: Collection[Hashable], *, full: bool) -> None:
        """A batch with records of these partitions was read; `full`: there are probably more."""
        if not full:
            self.served = frozenset()
        elif self.served.issuperset(places):
            self.served = frozenset(places)  # the others had nothing: a new round
        else:
            self.served |= frozenset(places)


@dataclass(slots=True)
class _Slow:
    tries: int = 0
    due: float = 0.0


class SlowPartitions:
    """Partitions whose transactions did not get through in time. Each is tried alone until one gets through.

    Its time grows from 2.5 seconds to ten. Between two tries it rests, while the others go on: as long as the try was,
    then twice, three and four times as long. Times are seconds of one clock.
    """

    def __init__(self) -> None:
        self._slow: dict[Hashable, _Slow] = {}

    def readable(self, places: Collection[P], now: float) -> frozenset[P]:
        """Those that do not rest."""
        return frozenset(one for one in places if one not in self._slow or self._slow[one].due <= now)

    def parts(self, fetched: Mapping[P, Sequence[R]]) -> list[dict[P, Sequence[R]]]:
        """What is one transaction each: all partitions together, then each slow one alone."""
        quick = {place: records for place, records in fetched.items() if place not in self._slow}
        alone = [{place: records} for place, records in fetched.items() if place in self._slow]
        return [quick, *alone] if quick else alone

    def seconds(self, part: Collection[Hashable]) -> float:
        """What the transaction of this part has."""
        tries = [self._slow[place].tries for place in part if place in self._slow]
        return min(FULL_SECONDS, _FIRST_SECONDS * 2.0 ** min(tries)) if tries else FULL_SECONDS

    def failed(self, part: Collection[Hashable], now: float) -> None:
        """The transaction of this part did not get through in time; which of its partitions is slow is not known."""
        for place in part:
            if place in self._slow:
                slow, seconds = self._slow[place], self.seconds((place,))
                slow.tries += 1
                slow.due = now + seconds * min(slow.tries, _LONGEST_REST)
            else:
                self._slow[place] = _Slow()

    def passed(self, part: Collection[Hashable]) -> None:
        """The transaction of this part got through."""
        for place in part:
            self._slow.pop(place, None)
