"""What a follower's handler noted, and what follows from it. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notes:
    """`given` has each record that the handler was given, with the time; `failed` counts the calls that it failed."""

    given: Sequence[tuple[float, str]]
    failed: int = 0

    @property
    def values(self) -> list[str]:
        """The records, in the order in which they were given."""
        return [value for _, value in self.given]


def read_notes(text: str) -> Notes:
    """The notes of a file; a last line that is not whole yet is left out."""
    lines = text.split("\n")[:-1]
    given = [line.split(" ", 1) for line in lines if line != "failed"]
    return Notes([(float(at), value) for at, value in given], lines.count("failed"))


def missing(notes: Notes, written: Iterable[str]) -> int:
    """How many of those that were written the handler never had."""
    return len(set(written) - set(notes.values))


def repeated(notes: Notes) -> int:
    """How often the handler had a record again."""
    return sum(count - 1 for count in Counter(notes.values).values())


def lateness_ms(notes: Notes) -> list[float]:
    """How long after it was written each record was handled; its value is the time of writing."""
    return [(at - float(value)) * 1000 for at, value in notes.given]
