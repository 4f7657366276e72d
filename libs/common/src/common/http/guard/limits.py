"""The limits of a listener, and the rules of time as pure functions."""

from dataclasses import dataclass
from typing import Final

MAX_HEADERS: Final = 100
"""Headers of one request. Each costs ten times its bytes in memory, so bytes alone do not bound them."""

MAX_PIPELINED: Final = 8
"""Requests of one connection that wait for the answer to an earlier one. Each costs several KiB of memory."""

FREE_CHUNKS: Final = 1024
"""Chunks of a body that may be of any size."""

LEAST_CHUNK_BYTES: Final = 64
"""What further chunks have on average. Each costs a microsecond, so chunks of one byte would fill a core at 4 MB/s."""

MAX_DISCARDED_BYTES: Final = 8 * 1024 * 1024
"""What we read and discard of a body after its answer. A client that sends first and reads later needs this."""

LINGER_SECONDS: Final = 2.0
"""How long a refused client may take to read why, and a closed one to take the rest of its answer."""

_SWEEP_SECONDS: Final = 0.5
_SWEEPS_PER_LIMIT: Final = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may use. Bytes are counted as they arrive, not as they are announced."""

    header_bytes: int = 16 * 1024
    header_seconds: float = 10.0
    body_seconds: float = 10.0
    connections: int = 2_000
    body_bytes_in_flight: int = 64 * 1024 * 1024
    bytes_per_second: int = 16 * 1024

    @property
    def sweep_seconds(self) -> float:
        """How often the connections are looked at."""
        return min(_SWEEP_SECONDS, min(self.header_seconds, self.body_seconds) / _SWEEPS_PER_LIMIT)


class Progress:
    """How a client gets on with a transfer. `waited` and `idle` are seconds that count against the client."""

    __slots__ = ("idle", "moved", "waited")

    def __init__(self) -> None:
        self.waited, self.idle, self.moved = 0.0, 0.0, 0

    def after(self, seconds: float, moved: int) -> int:
        """`seconds` have passed, and `moved` bytes are through in total; the bytes since the last time."""
        fresh = moved - self.moved
        self.waited += seconds
        self.idle = 0.0 if fresh else self.idle + seconds
        self.moved = moved
        return fresh

    def is_late(self, limits: Limits) -> bool:
        """Whether the client stopped, or is slower on average than the least rate after the first `body_seconds`."""
        allowed = limits.body_seconds + self.moved / limits.bytes_per_second
        return self.idle > limits.body_seconds or self.waited > allowed
