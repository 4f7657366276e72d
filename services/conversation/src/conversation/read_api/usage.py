"""The usage summary: which days, and the aggregations that add them up. Pure.

`usage_logs` has one document per send that Meta accepted (`kind: send`) and per message that Meta priced
(`kind: pricing`), however often Meta reports it, and `usage_days` has how many there are. Days before the counters are
counted in the log, unless `wa usage rebuild` has done that. Source of what a price depends on:
Meta, "status messages webhook reference": `type` and `category`, not `billable`.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from common.contracts.stored.usage import COUNT, KEYS
from common.errors import InvalidInput
from conversation.batch.documents import Document

DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 366
MAX_ROWS: Final = 10_000

_NEWEST_FIRST: Final = {"_id.day": -1, **{f"_id.{name}": 1 for name in KEYS if name != "day"}}
_ANY_CHATBOT: Final[Document] = {"chatbotId": {"$ne": ""}}
"""Every document matches; it is there because an index needs bounds on its first field."""


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days in UTC, both included."""

    first: date
    last: date


def days_of(first: str | None, last: str | None, today: date) -> Days:
    """The days from `from` (default: thirty days) to `to` (default: today). Raises `InvalidInput`."""
    end = today if last is None else _day("to", last)
    begin = end - timedelta(days=DEFAULT_DAYS - 1) if first is None else _day("from", first)
    if begin > end:
        raise InvalidInput(f"`from` ({begin}) is after `to` ({end})", code="invalid_range")
    count = (end - begin).days + 1
    if count > MAX_DAYS:
        raise InvalidInput(f"the range is {count} days; at most {MAX_DAYS} are allowed", code="invalid_range")
    return Days(begin, end)


def of_log(chatbots: Document, days: Days) -> list[Document]:
    """The aggregation of the usage log. `chatbots` keeps tenants apart; it may be empty."""
    after = datetime.combine(days.last, time.min, UTC) + timedelta(days=1)
    at = {"at": {"$gte": datetime.combine(days.first, time.min, UTC), "$lt": after}}
    return [{"$match": {**_ANY_CHATBOT, **chatbots, **at}}, *_grouped({"$sum": 1})]


def of_counters(chatbots: Document, days: Days) -> list[Document]:
    """The aggregation of the counters, likewise."""
    day = {"day": {"$gte": str(days.first), "$lte": str(days.last)}}
    return [{"$match": {**_ANY_CHATBOT, **chatbots, **day}}, *_grouped({"$sum": f"${COUNT}"})]


def parted(days: Days, counted_since: date) -> tuple[Days | None, Days | None]:
    """The days whose log has to be counted, and those that the counters have."""
    before, since = counted_since - timedelta(days=1), max(days.first, counted_since)
    log = Days(days.first, min(days.last, before)) if days.first <= before else None
    return log, Days(since, days.last) if since <= days.last else None


def _grouped(count: Document) -> list[Document]:
    """Groups with one row more than may be shown, newest day first."""
    return [
        {"$group": {"_id": {name: f"${name}" for name in KEYS}, "count": count}},
        {"$sort": _NEWEST_FIRST},
        {"$limit": MAX_ROWS + 1},
    ]


def rows_of(groups: list[Document]) -> list[Document]:
    """The rows to show. Raises `InvalidInput` when there are too many for one answer."""
    if len(groups) > MAX_ROWS:
        raise InvalidInput(
            f"the summary has more than {MAX_ROWS} rows; ask for one chatbot or for fewer days", code="too_many_rows"
        )
    return [{**group["_id"], "count": group["count"]} for group in groups]


def _day(name: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
        day - timedelta(days=DEFAULT_DAYS)  # fails for the first days of the calendar
    except (ValueError, OverflowError):
        raise InvalidInput(f"`{name}` is not a date; give it as YYYY-MM-DD", code="invalid_date") from None
    return day
