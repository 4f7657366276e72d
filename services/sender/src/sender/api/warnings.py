"""The `warnings` of `POST /send`: problems that are known while the request is being written to Kafka.

A warning refuses nothing. The finder works while the record is written, and the answer waits for it `SECONDS` at most.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from common.contracts import ids
from common.contracts.journal import Entry, State
from common.contracts.sends import SendRequest
from common.errors import AppError
from sender.journal.content import differs, digest_of
from sender.limits.service_window import needs_window

log = logging.getLogger(__name__)

SECONDS: Final = 0.1
_REMEMBERED: Final = 20_000

CANCELLED: Final = "cancelled"
DUPLICATE: Final = "duplicate"
SEND_AT_PAST: Final = "send_at_past"

_TEXTS: Final = {
    "window_closed": "the person has not written within 24 hours: only a template can be sent",
    "number_held": "Meta refuses the number or its access token at present; the message waits until that is over",
    CANCELLED: "this messageId was cancelled; the message will not be sent",
    DUPLICATE: "another content was accepted under this messageId before; this one will not be sent",
    SEND_AT_PAST: "`sendAt` is in the past; the message is sent at once",
}

Warnings = list[dict[str, str]]
Load = Callable[[Sequence[str]], Awaitable[Sequence[Entry | None]]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Findings:
    """The warnings of a request. `repeated`: the same content came with its `messageId` before."""

    warnings: Warnings
    repeated: bool = False

    @property
    def is_unsent(self) -> bool:
        """Whether the message of this request will not be sent, whatever the result of an earlier one is."""
        return any(warning["code"] in (CANCELLED, DUPLICATE) for warning in self.warnings)


@dataclass(frozen=True, slots=True)
class Named:
    """A request with a message id that its caller can repeat."""

    journal_id: str
    digest: str


NO_FINDINGS: Final = Findings([])


def named(chatbot_id: str, message_id: str, body: Mapping[str, Any]) -> Named:
    """The journal id and the digest of a request. Pure."""
    return Named(ids.journal_id(chatbot_id, message_id), digest_of(body) or "")


def one_or_many(one: Callable[[str], Awaitable[Entry | None]], many: Load) -> Load:
    """Reads of entries: `one` gathers the single reads of many requests; `many` reads those of a batch at once."""

    async def load(journal_ids: Sequence[str]) -> Sequence[Entry | None]:
        return [await one(journal_ids[0])] if len(journal_ids) == 1 else await many(journal_ids)

    return load


class WarningFinder:
    """Finds warnings. `is_closed` asks for a window, `is_held` for a number; `load` reads the journal."""

    def __init__(
        self,
        *,
        is_closed: Callable[[str, str, datetime], Awaitable[bool]],
        is_held: Callable[[str], bool],
        load: Load,
        now: Callable[[], datetime],
    ) -> None:
        self._is_closed = is_closed
        self._is_held = is_held
        self._load = load
        self._now = now
        self._recent: OrderedDict[str, str] = OrderedDict()

    def begin(self, request: SendRequest, number: str, body: Mapping[str, Any]) -> "asyncio.Future[Findings]":
        """Begin to look; `result_of` returns the findings. `number` is the phone number id of the account."""
        return asyncio.ensure_future(self._look(request, number, body))

    def begin_batch(self, requests: Sequence[Named]) -> "asyncio.Future[list[Findings]]":
        """Begin to look for warnings about the ids of a batch; a batch gets no others."""
        return asyncio.ensure_future(self._compared(requests, self._now()))

    async def result_of(self, looking: "asyncio.Future[T]", otherwise: T) -> T:
        """The findings; `otherwise` after a short while, because no caller should wait for a warning."""
        await asyncio.wait([looking], timeout=SECONDS)
        if not looking.done():
            looking.cancel()
            return otherwise
        error = looking.exception()
        if error is not None:  # the message is on Kafka, so the caller gets a 200
            log.error("could not look for warnings", exc_info=error)
            return otherwise
        return looking.result()

    def forget(self, journal_ids: Iterable[str]) -> None:
        """Forget these ids, because their requests could not be written: a repetition may be the first in Kafka."""
        for journal_id in journal_ids:
            self._recent.pop(journal_id, None)

    async def _look(self, request: SendRequest, number: str, body: Mapping[str, Any]) -> Findings:
        now = self._now()
        known = NO_FINDINGS
        if request.message_id is not None:
            (known,) = await self._compared([named(request.chatbot_id, request.message_id, body)], now)
        found = [
            ("number_held", self._is_held(request.chatbot_id)),
            ("window_closed", await self._closed(request, number, now)),
            (SEND_AT_PAST, is_past(request.send_at, now)),
        ]
        return Findings([*_warnings([code for code, so in found if so]), *known.warnings], known.repeated)

    async def _closed(self, request: SendRequest, number: str, now: datetime) -> bool:
        scheduled = request.send_at is not None and request.send_at > now  # the window may be open by then
        return needs_window(request) and not scheduled and await self._is_closed(number, request.to, now)

    async def _compared(self, requests: Sequence[Named], now: datetime) -> list[Findings]:
        """The findings about earlier requests with these ids."""
        recent = [self._note(request) for request in requests]
        try:
            entries = await self._load([request.journal_id for request in requests])
        except AppError:
            entries = [None] * len(requests)  # the sends are accepted without warnings
        return [
            compared(request.digest, before, entry, now)
            for request, before, entry in zip(requests, recent, entries, strict=True)
        ]

    def _note(self, request: Named) -> str | None:
        """The digest that this process remembers for the id; remember this one if there is none."""
        before = self._recent.get(request.journal_id)
        if before is None:
            self._recent[request.journal_id] = request.digest
            if len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
        return before


def compared(digest: str, recent: str | None, entry: Entry | None, now: datetime) -> Findings:
    """What an earlier request with the same id means for this one, which came at `now`. Pure.

    `recent` is the digest that this process remembers; `entry` is the journal's. An entry that was created later than
    `now` may belong to this request itself.
    """
    found = [
        (CANCELLED, entry is not None and entry.state is State.CANCELLED),
        (DUPLICATE, recent not in (None, digest) or differs(entry, digest)),
    ]
    before = recent is not None or (entry is not None and entry.created_at < now)
    return Findings(_warnings([code for code, so in found if so]), before)


def is_past(send_at: datetime | None, now: datetime) -> bool:
    """Whether the time to send a message has passed. Pure."""
    return send_at is not None and send_at < now


def past_warnings() -> Warnings:
    """The warning of a message whose `sendAt` is in the past."""
    return _warnings([SEND_AT_PAST])


def _warnings(codes: Sequence[str]) -> Warnings:
    return [{"code": code, "message": _TEXTS[code]} for code in codes]


def sentence_of(findings: Findings) -> str:
    """The `message` of an answer. Pure."""
    codes = {warning["code"] for warning in findings.warnings}
    if CANCELLED in codes:
        return "This messageId was cancelled; the message will not be sent"
    if DUPLICATE in codes:
        return "Another content has this messageId; this message will not be sent"
    if findings.repeated:
        return "This message was enqueued before; it is not sent twice"
    return "Message enqueued for sending"


def sentence_of_batch(count: int, found: Sequence[Findings]) -> str:
    """The `message` of a batch with `count` enqueued messages; `found` has the findings about those with an id."""
    unsent = sum(findings.is_unsent for findings in found)
    repeated = sum(findings.repeated and not findings.is_unsent for findings in found)
    new = count - unsent - repeated
    parts = [f"{new} {'message' if new == 1 else 'messages'} enqueued for sending"]
    if repeated:
        parts.append(f"{repeated} enqueued before and not sent twice")
    if unsent:
        parts.append(f"{unsent} will not be sent (see `warnings`)")
    return "; ".join(parts)
