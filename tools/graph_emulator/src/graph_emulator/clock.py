"""Time as an argument: all code asks a `Clock` for the time."""

import time


class Clock:
    """Wall and monotonic time in whole milliseconds; tests hand in one that they can move."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> float:
        """Milliseconds of a clock that never steps, for intervals."""
        return time.monotonic_ns() / 1_000_000
