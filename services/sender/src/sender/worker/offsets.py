"""Which offset of a partition may be committed: everything before it is finished. Synchronous, no IO."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _PartitionOffsets:
    # Ordered by offset, because records are read in that order. (A plain dict searches past its removed entries.)
    outstanding: OrderedDict[int, None] = field(default_factory=OrderedDict)
    last: int = -1
    reported: int = -1

    def position(self) -> int:
        """The next offset to read if this process ended now: that of the first unfinished record."""
        return next(iter(self.outstanding)) if self.outstanding else self.last + 1


class OffsetTracker:
    """The records of each partition that were read and are not finished. Only those take memory, not a backlog.

    Offsets have gaps (transaction markers take some). A gap is skipped together with the record before it.
    """

    def __init__(self) -> None:
        self._partitions: dict[Hashable, _PartitionOffsets] = {}

    def track(self, partition: Hashable, offset: int) -> None:
        """A record was read. Offsets of a partition come in ascending order."""
        offsets = self._partitions.get(partition)
        if offsets is None:
            offsets = self._partitions[partition] = _PartitionOffsets(reported=offset)
        offsets.outstanding[offset] = None
        offsets.last = offset

    def done(self, partition: Hashable, offset: int) -> None:
        """A record is finished: its results are in the next transaction, or were in an earlier one."""
        self._partitions[partition].outstanding.pop(offset, None)

    def committable(self) -> dict[Hashable, int]:
        """The next offset to read of each partition whose finished prefix grew since the last call."""
        grown = {}
        for partition, offsets in self._partitions.items():
            position = offsets.position()
            if position > offsets.reported:
                offsets.reported = grown[partition] = position
        return grown
