"""Which offset of a partition may be committed: everything before it is finished. Synchronous, no IO."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _PartitionOffsets:
    # Ordered by offset, for they are read so. (A plain dict would look through all that it has ever lost at its front.)
    outstanding: OrderedDict[int, None] = field(default_factory=OrderedDict)
    last: int = -1
    told: int = -1

    def position(self) -> int:
        """The next offset to read, if this process ended now: that of the first that is not finished."""
        return next(iter(self.outstanding)) if self.outstanding else self.last + 1


class OffsetTracker:
    """The records of each partition that were read and are not finished: memory goes with those, not with a backlog.

    Offsets have gaps (transaction markers take some), which are skipped with what stands before them.
    """

    def __init__(self) -> None:
        self._tracks: dict[Hashable, _PartitionOffsets] = {}

    def opened(self, partition: Hashable, offset: int) -> None:
        """A record was read; offsets of a partition come in ascending order."""
        track = self._tracks.get(partition)
        if track is None:
            track = self._tracks[partition] = _PartitionOffsets(told=offset)
        track.outstanding[offset] = None
        track.last = offset

    def done(self, partition: Hashable, offset: int) -> None:
        """A record is finished: its results are part of the transaction that is about to be written, or were."""
        self._tracks[partition].outstanding.pop(offset, None)

    def committable(self) -> dict[Hashable, int]:
        """The next offset to read of each partition whose finished prefix grew since the last call."""
        grown = {}
        for partition, track in self._tracks.items():
            position = track.position()
            if position > track.told:
                track.told = grown[partition] = position
        return grown
