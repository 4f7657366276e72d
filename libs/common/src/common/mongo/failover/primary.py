"""What the driver's monitors know of the members: since when none is primary, which no longer is, and who is behind.

A member that stands still keeps its connections, so that what was asked of it would wait until its monitor gives it up.
The others elect another primary sooner. From then on the one before confirms nothing any more, so what waits for it is
interrupted and asked again (docs/decisions/0051).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from bson.timestamp import Timestamp
from pymongo.monitoring import (
    ServerHeartbeatFailedEvent,
    ServerHeartbeatListener,
    ServerHeartbeatStartedEvent,
    ServerHeartbeatSucceededEvent,
)

log = logging.getLogger(__name__)

Address = tuple[str, int | None]

_AFTER_SECONDS: Final = 0.05
"""The driver tells of an answer first, and draws its conclusion right after."""

_PRIMARY: Final = "RSPrimary"
_UNKNOWN: Final = "Unknown"
_NEVER_SECONDARY: Final = frozenset({_PRIMARY, "RSArbiter", "RSGhost"})
_FIRST: Final = Timestamp(0, 0)


class PrimaryWatch(ServerHeartbeatListener):
    """Looks at the client's picture of its servers after each answer of one.

    `picture` is the driver's `TopologyDescription`, and `interrupt` ends what waits for a member. `now` is a monotonic
    clock in seconds. Not the driver's `TopologyListener`: with one a client cannot be made before the event loop runs.
    """

    def __init__(
        self,
        picture: Callable[[], Any],
        interrupt: Callable[[Address], Awaitable[None]],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._picture = picture
        self._interrupt = interrupt
        self._now = now
        self._lost_at: float | None = None
        self._primary: Address | None = None
        self._look: asyncio.TimerHandle | None = None
        self._interrupting: set[asyncio.Task[None]] = set()
        self._confirmed: dict[Address, Timestamp] = {}

    def behind(self, moment: Timestamp) -> list[str]:
        """The members of which it is not known that a read of theirs has everything up to this moment, by name."""
        return behind(self._picture(), self._confirmed, moment)

    def lost_for(self) -> float:
        """For how many seconds no primary has been known; 0 while one is, and before the first look for one."""
        return 0.0 if self._lost_at is None else self._now() - self._lost_at

    def started(self, event: ServerHeartbeatStartedEvent) -> None:
        """A member is asked."""

    def succeeded(self, event: ServerHeartbeatSucceededEvent) -> None:
        """A member has answered."""
        confirmed = event.reply.document.get("lastWrite", {}).get("majorityOpTime")
        if confirmed is not None:
            self._confirmed[event.connection_id] = confirmed["ts"]
        self._look_soon()

    def failed(self, event: ServerHeartbeatFailedEvent) -> None:  # noqa: ARG002  # any failure
        """A member has not answered in time."""
        self._look_soon()

    def _look_soon(self) -> None:
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(_AFTER_SECONDS, self.look)

    def look(self) -> None:
        """Compare the picture with the one before."""
        self._look = None
        picture = self._picture()
        if picture.has_writable_server():
            self._lost_at = None
        elif self._lost_at is None:
            self._lost_at = self._now()
        gone = deposed(self._primary, picture)
        self._primary = primary_of(picture) or self._primary
        if gone is not None:
            log.info("another member is primary; what waits for the one before is asked again")
            task = asyncio.ensure_future(self._interrupt(gone))
            self._interrupting.add(task)
            task.add_done_callback(self._interrupting.discard)


def deposed(before: Address | None, picture: Any) -> Address | None:
    """The member that was primary and does not say what it is now, when another one is primary. Pure.

    One that has stepped down and says so goes on with its reads, and refuses what it cannot do any more.
    """
    if before is None or primary_of(picture) in (None, before):
        return None
    known = picture.server_descriptions().get(before)
    return before if known is not None and known.server_type_name == _UNKNOWN else None


def behind(picture: Any, confirmed: Mapping[Address, Timestamp], moment: Timestamp) -> list[str]:
    """Names of the members that may be read as secondaries and may lack what was written before `moment`. Pure.

    `confirmed` is up to where each has said that a majority has what it has; reads are as of that.
    """
    return sorted(
        f"{host}:{port}"
        for (host, port), server in picture.server_descriptions().items()
        if server.server_type_name not in _NEVER_SECONDARY and confirmed.get((host, port), _FIRST) < moment
    )


def primary_of(picture: Any) -> Address | None:
    """The address of the primary, or None. Pure."""
    servers = picture.server_descriptions().items()
    return next((address for address, server in servers if server.server_type_name == _PRIMARY), None)
