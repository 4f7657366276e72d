"""The filter of `GET /messages`: one delivery status and a range of time. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from common.errors import InvalidInput
from conversation.batch.statuses import RANKS, UNKNOWN
from conversation.batch.working_set import Document

STATUSES: Final = tuple(sorted({*RANKS, UNKNOWN}))

# RFC 3339 §5.6; a space may stand for the `T`, and a `+` that was not percent-encoded has become one.
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:(\.\d{1,6})\d*)?(?:[Zz]|([+\- ])(\d\d:\d\d))", re.ASCII
)
_MAX_TIME: Final = 60  # characters


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Messages that entered `status` at `since` or later, and before `until`."""

    status: str
    since: datetime | None
    until: datetime | None

    def query(self) -> Document:
        """The query, without the limit to the caller's chatbots."""
        bounds: dict[str, Any] = {"$gte": self.since, "$lt": self.until}
        times = {name: at for name, at in bounds.items() if at is not None}
        return {"deliveryStatus": self.status, **({"statusAt": times} if times else {})}


def parse_filter(status: str | None, since: str | None, until: str | None) -> MessageFilter:
    """The filter of these query parameters. Raises `InvalidInput`, which says what is allowed."""
    if status not in STATUSES:
        given = "is missing" if status is None else "is not known"
        wrong = {"field": "status", "message": f"it {given}; give one of {', '.join(STATUSES)}"}
        raise InvalidInput(f"`status` {given}; give one of {', '.join(STATUSES)}", details=[wrong])
    first, last = _time("since", since), _time("until", until)
    if first is not None and last is not None and last <= first:
        wrong = {"field": "until", "message": "it has to be after `since`"}
        raise InvalidInput("`until` is not after `since`", details=[wrong])
    return MessageFilter(status, first, last)


def _time(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    found = _TIME.fullmatch(text) if len(text) <= _MAX_TIME else None
    at = _moment(*found.groups()) if found is not None else None
    if at is None:
        wrong = {"field": name, "message": "give a time as in RFC 3339, e.g. 2026-11-01T09:30:00Z"}
        raise InvalidInput(f"`{name}` is not a time", details=[wrong])
    return at


def _moment(day: str, time: str, fraction: str | None, sign: str | None, offset: str | None) -> datetime | None:
    """The time in UTC; None if the calendar has no such time."""
    zone = f"{'-' if sign == '-' else '+'}{offset or '00:00'}"
    try:
        return datetime.fromisoformat(f"{day}T{time}{fraction or ''}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
