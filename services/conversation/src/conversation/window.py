"""How long records gather before the next batch is read. Pure.

A transaction of MongoDB or Kafka costs about the same for one record as for dozens. So under load it is cheaper to make
fewer of them, each with more records (docs/decisions/0038).
"""

from typing import Final

WINDOW_SECONDS: Final = 0.03
"""The most that a record waits because of the window."""

_APART_SECONDS: Final = 0.06
"""Two batches under load begin so far apart. A batch that took longer has let the next one gather already."""


def gather_seconds(records: int, most: int, took: float) -> float:
    """How long to wait before the next fetch, after a batch of `records` of at most `most` that took so many seconds.

    A record that came alone says that there is no load: the next one is read at once. A full batch says that more are
    waiting already.
    """
    if not 1 < records < most:
        return 0.0
    return min(WINDOW_SECONDS, max(0.0, _APART_SECONDS - took))
