"""How many records fit into one MongoDB transaction. Pure.

A transaction that touches more pages than the server's cache can hold is rolled back by it, again and again
(WiredTiger, "cache is full"), and a batch that is simply tried again never ends. So batches become smaller when one
did not get through in its time, and grow slowly while all goes well.
"""


class BatchSize:
    """`size` is how many records the next batch may have: at most `most`, at least one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = most

    def shrink(self, records: int) -> None:
        """A batch of so many did not get through. Several of one size at the same time count once."""
        self.size = min(self.size, max(1, records // 2))

    def grow(self, records: int) -> None:
        """A batch of so many got through; one that was not full says nothing."""
        if records >= self.size:
            self.size = min(self._most, self.size + 1)
