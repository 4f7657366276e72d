"""What every event on every topic has in common.

An event is one JSON object, camelCase, whose `data` is particular to its `type`. `version` counts incompatible
changes of that type; adding a field is compatible, readers ignore what they do not know. Times are RFC 3339 in UTC.
The record on `whatsapp-cloud-send` is the one exception: it is the bare request that producers write by hand.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import msgspec

from common.errors import InvalidInput

REDELIVERY: Final = timedelta(days=7)
"""How long Meta repeats a webhook that was not taken (Meta, "Webhooks": up to 7 days)."""

SKEW: Final = timedelta(minutes=5)
"""How far Meta's clock may be ahead of ours."""


class Contract(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of all wire structures: immutable, camelCase, absent rather than null."""


class Event(Contract, frozen=True, kw_only=True):
    """The envelope. Subclasses add `data`.

    `id` is derived from the fact, so a repeat has the same one. `occurredAt` is when it happened at its source,
    `recordedAt` when we wrote it down. `correlationId` follows one customer's exchange through every topic;
    `causationId` is the id of the event or request that led to this one.
    """

    id: str
    type: str
    version: int
    occurred_at: datetime
    recorded_at: datetime
    correlation_id: str
    causation_id: str | None = None


E = TypeVar("E", bound=msgspec.Struct)


def encode(event: msgspec.Struct) -> bytes:
    """The record value of an event: UTF-8 JSON."""
    return _encoder.encode(event)


def decoder(kind: type[E]) -> msgspec.json.Decoder[E]:
    """A reusable decoder for one event type; `.decode(bytes)` raises `msgspec.DecodeError` (also on wrong shape)."""
    return msgspec.json.Decoder(kind)


def decode(wanted: msgspec.json.Decoder[E], value: bytes | None) -> E:
    """Decode one record value, or raise `InvalidInput` with the reason that goes to the dead-letter queue."""
    if value is None:
        raise InvalidInput("the record has no value", code="empty_record")
    try:
        return wanted.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"the record cannot be parsed: {error}", code="undecodable_record") from error


_LAST_SECONDS: Final = 221_845_392_000
"""The year 9000. Days can be added to any time before it; `datetime` has no year after 9999."""


def from_unix(seconds: str | float | None, *, fallback: datetime) -> datetime:
    """Meta's timestamps as UTC time: seconds as a string or a number, sometimes milliseconds, sometimes absent.

    Gives the fallback for a value that is not a time, or is beyond the year 9000.
    """
    try:
        value = float(seconds)  # type: ignore[arg-type]  # None and junk fall through to the except branch
        if value > 100_000_000_000:  # beyond the year 5138 in seconds: these are milliseconds
            value /= 1000
        return datetime.fromtimestamp(value, tz=UTC) if value < _LAST_SECONDS else fallback
    except (TypeError, ValueError, OverflowError, OSError):
        return fallback


def believable(moment: datetime, *, received: datetime) -> datetime:
    """Meta's time of an event that reached us at `received`; `received` itself where Meta's time cannot be true."""
    return moment if received - REDELIVERY <= moment <= received + SKEW else received


_encoder = msgspec.json.Encoder()
