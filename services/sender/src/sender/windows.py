"""Whether a person may be written to freely: within 24 hours of their last message (Meta's customer service window).

Conversation knows when that was. What it says is remembered until the window ends, for it can only be prolonged; that
a window is closed is asked again each time. While conversation does not answer, Meta is left to decide (131047).
"""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from common.contracts.sends import SendRequest
from common.errors import Unavailable
from common.http.windows import WindowsClient
from sender.batching import GroupCommit

log = logging.getLogger(__name__)

_REMEMBERED: Final = 100_000
_FREE: Final = frozenset({"template", "read"})

Pair = tuple[str, str]


def needs_window(request: SendRequest) -> bool:
    """Whether Meta takes this only within the window: all but templates, and read marks, which are no messages."""
    return request.kind not in _FREE


class Windows:
    """The windows of (phone number id, recipient), asked for in bulk; without a client none is ever closed."""

    def __init__(self, client: WindowsClient | None) -> None:
        self._client = client
        self._open: OrderedDict[Pair, datetime] = OrderedDict()
        self._asking: GroupCommit[Pair, datetime | Unavailable | None] = GroupCommit(self._ask)

    async def is_closed(self, phone_number_id: str, to: str, now: datetime) -> bool:
        """Whether the window is closed at this time, as far as anybody knows."""
        if self._client is None:
            return False
        pair = (phone_number_id, to)
        until = self._open.get(pair)
        if until is not None and until > now:
            return False
        found = await self._asking.submit(pair)
        if isinstance(found, Unavailable):
            return False
        if found is None or found <= now:
            return True
        self._remember(pair, found)
        return False

    async def wrote_since(self, phone_number_id: str, to: str, moment: datetime) -> bool:
        """Whether the person is known to have written after that moment (a window lasts 24 hours from then)."""
        if self._client is None:
            return False
        found = await self._asking.submit((phone_number_id, to))
        return isinstance(found, datetime) and found - timedelta(hours=24) > moment

    async def close(self) -> None:
        """Close the connections."""
        await self._asking.close()
        if self._client is not None:
            await self._client.close()

    async def _ask(self, pairs: Sequence[Pair]) -> Sequence[datetime | Unavailable | None]:
        assert self._client is not None  # noqa: S101  # nobody asks without one
        try:
            return await self._client.ask(pairs)
        except Unavailable as error:
            log.warning("windows are not known, Meta decides", extra={"error": error.message})
            return [error] * len(pairs)

    def _remember(self, pair: Pair, until: datetime) -> None:
        self._open[pair] = until
        self._open.move_to_end(pair)
        if len(self._open) > _REMEMBERED:
            self._open.popitem(last=False)
