"""What a reader has to see who pages through a thread while its messages move. Pure.

A walk that begins after the merge sees every message of both conversations that was there before. One that began
earlier sees every message of the conversation that it asked for; from the merge on the other one's messages may come,
too. In no walk a message comes twice, and none comes after an older one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chaos.merging.seeds import Seed, number_of

_SAMPLES: Final = 3


@dataclass(slots=True)
class Merged:
    """What became of a merge of so many messages.

    The lists have what was wrong: a line for each walk and kind, and what was left when the run ended.
    """

    messages: int
    kills: int = 0
    seconds: float = 0.0
    walks: int = 0
    walked: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    swapped: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)


class Walk:
    """One walk through a thread, newest first. `whole`: the sides of which every message has to come."""

    def __init__(self, name: str, seeds: Sequence[Seed], whole: Iterable[str], marker: str) -> None:
        self._name = name
        self._seeds = {seed.side: seed for seed in seeds}
        self._whole = frozenset(whole)
        self._marker = marker
        self._seen = {seed.side: bytearray(seed.count) for seed in seeds}
        self._last: dict[str, int] = {}
        self._last_time = ""
        self._doubled: list[str] = []
        self._swapped: list[str] = []
        self._changed: list[str] = []
        self._own: set[str] = set()
        self.wamids: set[str] = set()
        """Of the messages that came through the services."""

    def see(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """The next page."""
        for message in messages:
            name, time = message["id"], message["timestamp"]
            if self._last_time and time > self._last_time:
                self._swapped.append(name)
            self._last_time = time
            seeded = number_of(name)
            if seeded is None:
                self._see_own(message)
            else:
                self._see_seeded(message, *seeded)

    def end(self, merged: Merged) -> None:
        """The thread has no more pages: note what was wrong."""
        missing = [f"{side} {n}" for side in sorted(self._whole) for n, seen in enumerate(self._seen[side]) if not seen]
        for found, into, what in (
            (missing, merged.lost, "missing"),
            (self._changed, merged.lost, "changed"),
            (self._doubled, merged.doubled, "doubled"),
            (self._swapped, merged.swapped, "out of order"),
        ):
            if found:
                into.append(f"{self._name}: {len(found)} {what}, like {', '.join(found[:_SAMPLES])}")
        merged.walks += 1
        merged.walked += sum(sum(seen) for seen in self._seen.values()) + len(self._own)

    def _see_own(self, message: Mapping[str, Any]) -> None:
        if message["id"] in self._own:
            self._doubled.append(message["id"])
        self._own.add(message["id"])
        if "wamid" in message:
            self.wamids.add(message["wamid"])

    def _see_seeded(self, message: Mapping[str, Any], side: str, number: int) -> None:
        if self._seen[side][number]:
            self._doubled.append(message["id"])
        self._seen[side][number] = 1
        if number > self._last.get(side, self._seeds[side].count):
            self._swapped.append(message["id"])
        self._last[side] = number
        if message["text"] != self._seeds[side].text(self._marker, number):
            self._changed.append(message["id"])
