"""Whether a person may be written to freely: within 24 hours of their last message (Meta's customer service window).

Conversation knows when that was. An open window is remembered until it ends, because it can only get longer. A closed
one is asked again each time. A message is refused only when its window is known to be closed. When conversation does
not know, or does not answer, Meta is asked. Meta's own refusal (131047) is remembered for a short while.
"""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from common.contracts.contacts import Contact
from common.contracts.sends import SendRequest
from common.errors import Unavailable
from common.http.clients.conversation import WindowsClient
from sender.group_commit import GroupCommit
from sender.records.job import lane_of

log = logging.getLogger(__name__)

CLOSED: Final = 131047
"""Meta's code for a message outside the window ("Re-engagement message")."""

_REMEMBERED: Final = 100_000
_FREE: Final = frozenset({"template", "read"})
_WINDOW: Final = timedelta(hours=24)
_BELIEVED: Final = timedelta(minutes=5)
"""How long Meta's refusal counts. Then Meta is asked again: conversation may not see what opened it."""

V = TypeVar("V")
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Meta has refused a message because of its window.

    `told` is the end of the window that conversation reported before. A later end proves that the person wrote again.
    """

    told: datetime | None
    until: datetime


def needs_window(request: SendRequest) -> bool:
    """Whether Meta accepts this only within the window: all but templates and read marks."""
    return request.kind not in _FREE


def is_known_closed(until: datetime | None, refusal: Refusal | None, now: datetime) -> bool:
    """Whether a window is closed for certain. Pure.

    `until` is its end as conversation knows it (None: not known). After Meta's refusal only a later end than the one
    that conversation had given before opens it again: then the person has written since.
    """
    if until is not None and until <= now:
        return True
    if refusal is None or refusal.until <= now:
        return False
    return until is None or (refusal.told is not None and until <= refusal.told)


class ServiceWindows:
    """The windows of (phone number id, recipient), asked for in bulk. Without a client no window is ever closed.

    A recipient has one window for all notations of a number.
    """

    def __init__(self, client: WindowsClient | None) -> None:
        self._client = client
        self._open: OrderedDict[str, datetime] = OrderedDict()
        self._refused: OrderedDict[str, Refusal] = OrderedDict()
        self._asking: GroupCommit[Pair, datetime | Unavailable | None] = GroupCommit(self._ask)

    async def is_closed(self, phone_number_id: str, to: str, now: datetime) -> bool:
        """Whether the window is known to be closed at this time."""
        if self._client is None:
            return False
        name = lane_of(phone_number_id, to)
        until = self._open.get(name)
        if until is not None and until > now:
            return False
        found = await self._asking.submit((phone_number_id, to))
        if isinstance(found, Unavailable):
            return False
        if is_known_closed(found, self._refused.get(name), now):
            return True
        if found is not None:
            self._refused.pop(name, None)
            _remember(self._open, name, found)
        return False

    async def wrote_since(self, phone_number_id: str, to: str, moment: datetime) -> bool:
        """Whether the person is known to have written after that moment (a window lasts 24 hours from then)."""
        if self._client is None:
            return False
        found = await self._asking.submit((phone_number_id, to))
        return isinstance(found, datetime) and found - timedelta(hours=24) > moment

    def refused(self, phone_number_id: str, to: str, now: datetime) -> None:
        """Meta has refused a message to this recipient because the window is closed (131047)."""
        self._refuse(lane_of(phone_number_id, to), now, now)

    def failed(self, phone_number_id: str, contact: Contact, at: datetime, now: datetime) -> None:
        """Meta has refused it later, by a status of this time."""
        named = (contact.group_id,) if contact.group_id else (contact.user_id, contact.wa_id)
        for to in filter(None, named):
            self._refuse(lane_of(phone_number_id, to), at, now)

    async def close(self) -> None:
        """Close the connections."""
        await self._asking.close()
        if self._client is not None:
            await self._client.close()

    def _refuse(self, name: str, at: datetime, now: datetime) -> None:
        told = self._open.get(name)
        if self._client is None or now - at > _BELIEVED or (told is not None and told - _WINDOW > at):
            return  # no client says when it opens again, it is long ago, or the person has written since
        self._open.pop(name, None)
        _remember(self._refused, name, Refusal(told, at + _BELIEVED))

    async def _ask(self, pairs: Sequence[Pair]) -> Sequence[datetime | Unavailable | None]:
        assert self._client is not None  # noqa: S101  # is_closed and wrote_since ask only with a client
        try:
            return await self._client.ask(pairs)
        except Unavailable as error:
            log.warning("could not read service windows, Meta decides", extra={"error": error.message})
            return [error] * len(pairs)


def _remember(memory: OrderedDict[str, V], name: str, value: V) -> None:
    memory[name] = value
    memory.move_to_end(name)
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)
