"""The facts of a webhook body: one for each message, status, other change, and part that cannot be parsed. Pure."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from common.contracts import webhooks
from common.contracts.contacts import Contact, contact_key
from common.contracts.envelope import from_unix
from common.contracts.ids import derive_id
from common.meta.broken_text import Marked, readable
from common.meta.contacts import People
from common.meta.lenient import BAD
from common.meta.payloads import failure_key
from ingress.parsing import shapes
from ingress.parsing.contacts import recipient_of, sender_of
from ingress.parsing.fragments import SHALLOW_BYTES, check_depth, is_json
from ingress.parsing.shapes import Number, read

_MAX_REASON: Final = 300  # characters
_MAX_BROKEN_BYTES: Final = 1024 * 1024  # of a fragment that is kept twice, so that its record fits into the topic
_NO_ARRIVAL: Final = webhooks.Arrival(body_id="", body_bytes=0, position=0, count=0)


@dataclass(slots=True)
class WebhookFact:
    """A Kafka record to write: `type` and `id` of the event, its `key`, the time that Meta gives, and the data."""

    type: str
    id: str
    key: str
    occurred_at: datetime
    data: webhooks.WebhookData


@dataclass(slots=True)
class Place:
    """Where in the body a fragment is."""

    account_id: str | None
    entry_time: int | None
    now: datetime
    field: str | None = None
    number: Number | None = None
    marked_body: Marked | None = None

    def data(self, **more: object) -> webhooks.WebhookData:
        number = self.number or Number()
        return webhooks.WebhookData(
            arrival=_NO_ARRIVAL,
            field=self.field,
            account_id=self.account_id,
            entry_time=self.entry_time,
            phone_number_id=number.phone_number_id,
            display_phone_number=number.display_phone_number,
            **more,  # type: ignore[arg-type]  # the callers below name real fields
        )


def message_fact(raw: msgspec.Raw, people: People, place: Place) -> WebhookFact:
    try:
        text, original = readable_fragment(raw, place)
        message = read(shapes.MESSAGE, text)
    except BAD as error:
        return unparsed_fact(raw, str(error), place)
    contact = sender_of(message, text, people)
    number = place.number.phone_number_id if place.number else None
    return WebhookFact(
        type=webhooks.MESSAGE,
        id=derive_id(webhooks.MESSAGE, number or "", message.id),
        key=_key(place, contact),
        occurred_at=from_unix(message.timestamp, fallback=place.now),
        data=place.data(contact=contact, wamid=message.id, raw=text, raw_base64=original),
    )


def status_fact(raw: msgspec.Raw, people: People, place: Place) -> WebhookFact:
    try:
        text, original = readable_fragment(raw, place)
        status = read(shapes.STATUS, text)
    except BAD as error:
        return unparsed_fact(raw, str(error), place)
    participant = status.recipient_participant_user_id or status.recipient_participant_id or ""
    failure = failure_key(status.errors)
    contact = recipient_of(status, people)
    number = place.number.phone_number_id if place.number else None
    return WebhookFact(
        type=webhooks.STATUS,
        id=derive_id(webhooks.STATUS, number or "", status.id, status.status, participant, failure),
        key=_key(place, contact),
        occurred_at=from_unix(status.timestamp, fallback=place.now),
        data=place.data(contact=contact, wamid=status.id, raw=text, raw_base64=original),
    )


def change_fact(raw: msgspec.Raw, place: Place) -> WebhookFact:
    try:
        text, original = readable_fragment(raw, place)
    except BAD as error:
        return unparsed_fact(raw, str(error), place)
    digest = hashlib.sha256(_bytes_of(raw, place)).hexdigest()
    return WebhookFact(
        type=webhooks.CHANGE,
        id=derive_id(webhooks.CHANGE, place.account_id or "", str(place.entry_time), place.field or "", digest),
        key=_key(place, None),
        occurred_at=from_unix(place.entry_time, fallback=place.now),
        data=place.data(raw=text, raw_base64=original),
    )


def unparsed_fact(part: bytes | msgspec.Raw, reason: str, place: Place) -> WebhookFact:
    """A part that cannot be parsed, all of it: as JSON if it is JSON, else as base64."""
    raw = _bytes_of(part, place)
    json_text = is_json(raw)
    return WebhookFact(
        type=webhooks.UNPARSED,
        id=derive_id(webhooks.UNPARSED, hashlib.sha256(raw).hexdigest()),
        key=_key(place, None),
        occurred_at=place.now,
        data=place.data(
            raw=msgspec.Raw(raw) if json_text else webhooks.NO_JSON,
            raw_base64=None if json_text else base64.b64encode(raw).decode(),
            reason=reason[:_MAX_REASON],
        ),
    )


def _bytes_of(part: bytes | msgspec.Raw, place: Place) -> bytes:
    """A part of the body as Meta wrote it."""
    raw = bytes(part)
    return place.marked_body.original(raw) if place.marked_body is not None else raw


def readable_fragment(raw: msgspec.Raw, place: Place) -> tuple[msgspec.Raw, str | None]:
    """A fragment as JSON that every reader can parse; and what Meta wrote, as base64, if that is not the same.

    msgspec skips over strings that it need not read, whatever bytes they hold. Raises one of `BAD` when the fragment
    is nested too deeply for the readers of its record, or is too large to be kept twice.
    """
    original = None
    try:
        str(raw, "utf-8")
    except UnicodeDecodeError:
        given = _bytes_of(raw, place)
        if len(given) > _MAX_BROKEN_BYTES:
            raise
        raw, original = msgspec.Raw(readable(given)), base64.b64encode(given).decode()
    if len(raw) > SHALLOW_BYTES:
        check_depth(bytes(raw))
    return raw, original


def _key(place: Place, contact: Contact | None) -> str:
    number = place.number.phone_number_id if place.number else None
    if number and contact is not None:
        return contact_key(number, contact)
    return number or place.account_id or "unknown"
