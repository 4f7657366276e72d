"""How many records fit into one MongoDB transaction. Pure.

MongoDB rolls a transaction back that touches more pages than its cache can hold (WiredTiger, "cache is full"). To try
the same batch again would never end. So batches become smaller after a timeout, and grow slowly while they succeed.
"""


class BatchSize:
    """`size` is how many records the next batch may have: at most `most`, at least one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = most

    def shrink(self, records: int) -> None:
        """A batch of so many records timed out. Several of one size at the same time count once."""
        self.size = min(self.size, max(1, records // 2))

    def grow(self, records: int) -> None:
        """A batch of so many records succeeded. Only a full batch counts."""
        if records >= self.size:
            self.size = min(self._most, self.size + 1)
