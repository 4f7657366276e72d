"""What a transport promises, and its limits."""

from dataclasses import dataclass
from typing import Final, Protocol

from common.meta.call_ends import CallEnd

AGENT: Final = "whatsapp-cloud-sender"
IDLE_SECONDS: Final = 15.0
"""An idle connection that the other side closes just as we write is an unclear call: let go of it first."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for a connection (its proxy and TLS included) and for a whole call, and calls at one time.

    `proxy` is the URL of a proxy for every call.
    """

    connect_seconds: float
    total_seconds: float
    max_in_flight: int
    proxy: str | None = None


class Transport(Protocol):
    """Carries calls. Follows no redirect, never tries again by itself, and keeps its connections."""

    async def post(self, url: str, token: str, payload: bytes) -> CallEnd:
        """`POST` a JSON payload: ends within the total time and a wait for a free connection, and never raises.

        `NotSent` is said only with a proof. An error's text decides nothing. A cancelled call writes nothing that it
        had not begun to write, and gives its connection back at the latest when the total time is over.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
