"""The time of day, to the millisecond."""

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now, to the millisecond."""
    return to_millis(time.time_ns())


def to_millis(epoch_ns: int) -> datetime:
    """This moment in the precision of MongoDB, so that a time that is read back equals the one that was written."""
    return datetime.fromtimestamp(epoch_ns // 1_000_000 / 1000, UTC)
