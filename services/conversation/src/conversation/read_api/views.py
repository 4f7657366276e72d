"""What the read API shows of documents, and its cursors. Pure."""

import base64
import json
import re
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from common.contracts.stored.versions import VERSION
from common.errors import InvalidInput
from common.meta.broken_text import shown_text
from conversation.batch.absorbing import STOOD_IN
from conversation.batch.log_entries import PRICED
from conversation.batch.naming import NAMED
from conversation.batch.service_window import window_of
from conversation.batch.statuses import QUEUED
from conversation.batch.working_set import ABSORBS, AWAITED, CONTACT_AT, LAST_PLACE, PHONE_AT, PLACE, Document
from conversation.read_api.order import Position

_PLACE: Final = re.compile(r"[0-9]{1,15}")  # MongoDB holds no more than 64 bits
_MAX_CURSOR: Final = 1_000
"""Characters; a time and the longest id need a fifth of them."""

_cursor: Final = msgspec.json.Decoder(tuple[float | None, str])  # refuses NaN, infinity and lone surrogates

_GONE_OUT: Final = frozenset({"accepted", "sent", "delivered", "read", "played"})
_HIDDEN = frozenset(
    {
        "_id",
        VERSION,
        "origin",
        "deliveryRank",
        "aliases",
        STOOD_IN,
        NAMED,
        CONTACT_AT,
        PHONE_AT,
        PLACE,
        LAST_PLACE,
        AWAITED,
        ABSORBS,
    }
)
_HIDDEN_OF_STATUS: Final = frozenset({"key", "origin", PRICED})


def conversation_view(document: Document, now: datetime) -> Document:
    """A conversation, with its `window` as it is now."""
    return {"id": document["_id"], **_shown(document), "window": window_of(document, now)}


def message_view(document: Document) -> Document:
    """A message with its status history; `raw` is Meta's JSON as an object, with U+FFFD where a text is not Unicode."""
    view = {"id": document["_id"], **_shown(document)}
    if isinstance(view.get("raw"), str):
        view["raw"] = _json(view["raw"])
    if view.get("deliveryStatus") != QUEUED:  # it does not wait now
        view.pop("due", None)
        waited = view.pop("reason", None)
        if waited and view.get("deliveryStatus") in _GONE_OUT and view.get("error", {}).get("reason") == waited:
            view.pop("error")
    if "statuses" in view:
        view["statuses"] = [
            {name: value for name, value in entry.items() if name not in _HIDDEN_OF_STATUS}
            for entry in view["statuses"]
        ]
    return view


def log_view(document: Document) -> Document:
    """An entry of the webhook log or the usage log."""
    return {"id": document["_id"], **_shown(document)}


def encode_cursor(position: Position) -> str:
    """The cursor of the page after this position. Opaque to callers."""
    seconds = None if position.time is None else position.time.timestamp()
    name = position.id if position.place is None else f"{position.place}:{position.id}"
    return base64.urlsafe_b64encode(json.dumps([seconds, name]).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, *, placed: bool = False) -> Position | None:
    """The position of the last document of the previous page; `placed` if the listing has places.

    Raises `InvalidInput` for a cursor that this API cannot have issued. A cursor is a position and nothing else: what
    its caller may read is decided again for each page.
    """
    if cursor is None:
        return None
    try:
        seconds, name = _cursor.decode(base64.urlsafe_b64decode(cursor[:_MAX_CURSOR] + "=" * (-len(cursor) % 4)))
        time = None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
    except (msgspec.DecodeError, ValueError, OverflowError, OSError):
        raise InvalidInput("`cursor` is invalid; use the one from the previous page", code="invalid_cursor") from None
    place, _, last_id = name.partition(":")
    if placed and _PLACE.fullmatch(place) and last_id:
        return Position(time, int(place), last_id)
    return Position(time, None, name)


def _shown(document: Document) -> Document:
    return {name: value for name, value in document.items() if name not in _HIDDEN}


def _json(text: str) -> Any:
    try:
        return json.loads(shown_text(text) if "\\" in text else text)
    except ValueError:
        return text
