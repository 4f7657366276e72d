"""How usage is counted: by chatbot, day, kind and category. Pure.

`conversation` counts each entry of the usage log in the transaction that writes it, and `wa usage rebuild` counts the
log again. Both make the same counters, so they share what a counter is.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from common.contracts.ids import derive_id

KEYS: Final = ("chatbotId", "day", "kind", "category", "pricingType", "pricingModel")
"""What is counted apart. A field that an entry lacks is lacking in its counter, too."""

COUNT: Final = "count"
WRITER: Final = "writer"
"""Two processes never add to the same document: each has counters of its own, and a reader adds them up."""

REBUILT: Final = "rebuilt"
"""The writer of what was counted again from the log."""

COUNTED: Final = "usage_days"
"""In `stored_forms`: since when every process counts."""

ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""`since`, where all that is there is in the newer form."""

Entry = Mapping[str, Any]


def counters_of(entries: Iterable[Entry], writer: str) -> dict[str, tuple[dict[str, Any], int]]:
    """What these entries of the usage log count: by the id of the counter its other fields, and how much to add."""
    counted = Counter(tuple(entry.get(name) for name in KEYS) for entry in entries)
    return dict(counter(dict(zip(KEYS, key, strict=True)), writer, count) for key, count in counted.items())


def counter(key: Entry, writer: str, count: int) -> tuple[str, tuple[dict[str, Any], int]]:
    """The id of one counter, its fields, and how much to add. `key` has some of `KEYS`."""
    values = [key.get(name) for name in KEYS]
    fields = {name: value for name, value in zip(KEYS, values, strict=True) if value is not None}
    # An empty text is not a missing one.
    parts = ("" if value is None else f"={value}" for value in values)
    return derive_id("usage_days", *parts, writer), ({**fields, WRITER: writer}, count)


def whole_from(since: datetime) -> date:
    """The first day in UTC of which everything is counted, if each process counts since then."""
    return since.date() if since <= ALWAYS else (since + timedelta(days=1)).date()
