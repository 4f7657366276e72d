"""The usage summary: which days, and the aggregation that counts them. Pure.

`usage_logs` has one document per send that Meta accepted (`kind: send`) and per message that Meta priced
(`kind: pricing`), however often Meta reports it. So a sum is a count of documents. Source of what a price depends on:
Meta, "status messages webhook reference": `type` and `category`, not `billable`.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from common.errors import InvalidInput
from conversation.batch.documents import Document

DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 366
MAX_ROWS: Final = 10_000

_KEYS: Final = ("chatbotId", "day", "kind", "category", "pricingType", "pricingModel")
_NEWEST_FIRST: Final = {"_id.day": -1, **{f"_id.{name}": 1 for name in _KEYS if name != "day"}}


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


def pipeline(chatbots: Document, days: Days) -> list[Document]:
    """The aggregation, with one row more than may be shown. `chatbots` keeps tenants apart; it may be empty."""
    # Every document matches "not the empty string"; it is there because the index needs bounds on its first field.
    match = {"chatbotId": {"$ne": ""}, **chatbots, "day": {"$gte": str(days.first), "$lte": str(days.last)}}
    return [
        {"$match": match},
        {"$group": {"_id": {name: f"${name}" for name in _KEYS}, "count": {"$sum": 1}}},
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
