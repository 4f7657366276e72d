"""The headers of send records: which of them go on with a request, and how they are read. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from common.contracts.send_headers import MESSAGE_ID, MOVED
from common.kafka.records import CORRELATION_ID, TRACEPARENT, TRACESTATE

_OURS: Final = MOVED | {MESSAGE_ID, TRACEPARENT, TRACESTATE, CORRELATION_ID}
"""The headers that the sender reads on the send topic. All others belong to the producer."""

_MAX_HEADER: Final = 2_048  # bytes, of a name and its value together
_MAX_HEADERS: Final = 16_384  # bytes, of all that go on with a record
_MAX_CHARACTER: Final = 4  # bytes in UTF-8
_MAX_DIGITS: Final = 15
_MAX_TIME: Final = 40
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")  # what Kafka allows


def carried(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers of a record that go on with its request: at most 16 KiB in UTF-8, names and values.

    Long headers are left out first, and then all of the producer's own, because neither a record nor a stored document
    may grow too large. (A compressed batch can hold headers that are larger than any topic takes.)
    """
    if _MAX_CHARACTER * sum(len(name) + len(text) for name, text in headers.items()) <= _MAX_HEADER:
        return headers
    sizes = {name: len(name.encode()) + len(text.encode()) for name, text in headers.items()}
    kept = {name: headers[name] for name, size in sizes.items() if size <= _MAX_HEADER}
    if sum(sizes[name] for name in kept) <= _MAX_HEADERS:
        return kept
    return {name: text for name, text in kept.items() if name in _OURS}


def time_of(text: str | None) -> str | None:
    """The ISO time of a header; None when it is not one."""
    try:
        datetime.fromisoformat(text[:_MAX_TIME] if text else "")
    except ValueError:
        return None
    return text if text and len(text) <= _MAX_TIME else None


def number_of(text: str | None) -> int:
    """The number of a header; 0 when it is not one."""
    return int(text) if text and len(text) <= _MAX_DIGITS and text.isascii() and text.isdigit() else 0


def is_topic(name: str) -> bool:
    """Whether Kafka allows a topic of this name."""
    return _TOPIC.fullmatch(name) is not None
