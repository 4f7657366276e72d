"""What `POST /send` says in `warnings`: problems that are known while the request is being written to Kafka.

They refuse nothing. They are looked for beside the writing, and not waited for longer than `SECONDS` in all.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

from common.contracts import ids
from common.contracts.sends import SendRequest
from common.errors import AppError
from sender.content import differs, digest_of
from sender.journal import Entry
from sender.windows import needs_window

log = logging.getLogger(__name__)

SECONDS: Final = 0.1
_REMEMBERED: Final = 20_000

_TEXTS: Final = {
    "window_closed": "the person has not written within 24 hours: only a template can be sent",
    "number_held": "Meta refuses the number or its access token at present; the message waits until that is over",
    "duplicate": "another content was accepted under this messageId before; this one will not be sent",
}

Warnings = list[dict[str, str]]


class Advice:
    """Looks for the problems. `is_closed` asks for a window, `is_held` whether a number is held; `load` the journal."""

    def __init__(
        self,
        *,
        is_closed: Callable[[str, str, datetime], Awaitable[bool]],
        is_held: Callable[[str], bool],
        load: Callable[[str], Awaitable[Entry | None]],
        now: Callable[[], datetime],
    ) -> None:
        self._is_closed = is_closed
        self._is_held = is_held
        self._load = load
        self._now = now
        self._recent: OrderedDict[str, str] = OrderedDict()

    def begin(self, request: SendRequest, number: str, body: Mapping[str, Any]) -> "asyncio.Future[Warnings]":
        """Begin to look; `result_of` has what was found. `number` is the phone number id of the account."""
        return asyncio.ensure_future(self._look(request, number, body))

    async def result_of(self, looking: "asyncio.Future[Warnings]") -> Warnings:
        """What was found; after a short while nothing, because no caller is to wait for a warning."""
        await asyncio.wait([looking], timeout=SECONDS)
        if not looking.done():
            looking.cancel()
            return []
        error = looking.exception()
        if error is not None:  # the message is on Kafka: its caller has to be told so
            log.error("warnings cannot be given", exc_info=error)
            return []
        return looking.result()

    async def _look(self, request: SendRequest, number: str, body: Mapping[str, Any]) -> Warnings:
        found = [
            ("number_held", self._is_held(request.chatbot_id)),
            ("window_closed", await self._closed(request, number)),
            ("duplicate", await self._repeated(request, body)),
        ]
        return [{"code": code, "message": _TEXTS[code]} for code, so in found if so]

    async def _closed(self, request: SendRequest, number: str) -> bool:
        scheduled = request.send_at is not None and request.send_at > self._now()  # the window may be open by then
        return needs_window(request) and not scheduled and await self._is_closed(number, request.to, self._now())

    async def _repeated(self, request: SendRequest, body: Mapping[str, Any]) -> bool:
        if request.message_id is None:
            return False
        journal_id, digest = ids.journal_id(request.chatbot_id, request.message_id), digest_of(body) or ""
        known = self._recent.setdefault(journal_id, digest)
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        if known != digest:
            return True
        try:
            entry = await self._load(journal_id)
        except AppError:
            return False  # nothing is known, and the send is accepted all the same
        return differs(entry, digest)
