"""Which offset of a partition may be committed: everything before it is finished. Synchronous, no IO."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Track:
    open: deque[int] = field(default_factory=deque)
    done: set[int] = field(default_factory=set)


class Prefixes:
    """The records read and finished, per partition.

    Offsets have gaps (transaction markers take some), so the records that were read are remembered one by one.
    """

    def __init__(self) -> None:
        self._tracks: dict[Hashable, _Track] = {}

    def opened(self, partition: Hashable, offset: int) -> None:
        """A record was read; offsets of a partition come in ascending order."""
        self._tracks.setdefault(partition, _Track()).open.append(offset)

    def done(self, partition: Hashable, offset: int) -> None:
        """A record is finished: its results are part of the transaction that is about to be written, or were."""
        self._tracks[partition].done.add(offset)

    def committable(self) -> dict[Hashable, int]:
        """The next offset to read of each partition whose finished prefix grew since the last call."""
        return {
            partition: last + 1 for partition, track in self._tracks.items() if (last := _advance(track)) is not None
        }


def _advance(track: _Track) -> int | None:
    last = None
    while track.open and track.open[0] in track.done:
        last = track.open.popleft()
        track.done.remove(last)
    return last
