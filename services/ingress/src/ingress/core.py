"""Cutting a webhook body into its smallest facts. Pure: bytes in, facts out.

Every entry, change, message and status counts, each by itself: what is not understood is kept whole and flagged, and
does not harm its neighbours. Fragments stay byte for byte as Meta wrote them (`msgspec.Raw` points into the body).

Shapes: Meta, "Webhooks overview" and "messages webhook reference".
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import msgspec

from common.contracts import webhooks
from common.contracts.envelope import from_unix
from common.contracts.ids import derive_id
from common.contracts.people import Contact, contact_key

MESSAGES_FIELD: Final = "messages"

_BAD = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Body(msgspec.Struct):
    entry: list[msgspec.Raw]


class _Entry(msgspec.Struct):
    changes: list[msgspec.Raw]
    id: str | int | None = None
    time: int | None = None


class _Change(msgspec.Struct):
    field: str
    value: msgspec.Raw


class _Number(msgspec.Struct):
    phone_number_id: str | None = None
    display_phone_number: str | None = None


class _Value(msgspec.Struct):
    """What a change value may have in common; everything is optional, for fields differ and grow."""

    metadata: _Number | None = None
    recipient: _Number | None = None  # `messaging_handovers` names the number here
    contacts: list[msgspec.Raw] | None = None
    messages: list[msgspec.Raw] | None = None
    statuses: list[msgspec.Raw] | None = None
    errors: list[msgspec.Raw] | None = None


class _NumberOnly(msgspec.Struct):
    metadata: _Number | None = None
    recipient: _Number | None = None


class _Profile(msgspec.Struct):
    name: str | None = None
    username: str | None = None


class _Person(msgspec.Struct):
    wa_id: str | None = None
    user_id: str | None = None
    parent_user_id: str | None = None
    profile: _Profile | None = None


class _Message(msgspec.Struct, rename={"sender": "from"}):
    id: str
    sender: str | None = None
    from_user_id: str | None = None
    from_parent_user_id: str | None = None
    group_id: str | None = None
    timestamp: str | int | float | None = None


class _Status(msgspec.Struct):
    id: str
    status: str
    recipient_id: str | None = None
    recipient_user_id: str | None = None
    recipient_parent_user_id: str | None = None
    recipient_type: str | None = None
    recipient_participant_id: str | None = None
    recipient_participant_user_id: str | None = None
    timestamp: str | int | float | None = None


class _PlainValue(msgspec.Struct):
    metadata: _Number | None = None
    recipient: _Number | None = None  # unused, as in `_Value`; but one that is malformed is not plain
    contacts: list[_Person] | None = None
    messages: list[msgspec.Raw] | None = None
    statuses: list[msgspec.Raw] | None = None
    errors: None = None


class _PlainChange(msgspec.Struct):
    field: Literal["messages"]
    value: _PlainValue


class _PlainEntry(msgspec.Struct):
    changes: list[_PlainChange]
    id: str | int | None = None
    time: int | None = None


class _PlainBody(msgspec.Struct):
    """What nearly every body is: messages and statuses alone, all of it as documented. Decoded in one go."""

    entry: list[_PlainEntry]


_plain = msgspec.json.Decoder(_PlainBody)
_body = msgspec.json.Decoder(_Body)
_entry = msgspec.json.Decoder(_Entry)
_change = msgspec.json.Decoder(_Change)
_value = msgspec.json.Decoder(_Value)
_number_only = msgspec.json.Decoder(_NumberOnly)
_person = msgspec.json.Decoder(_Person)
_message = msgspec.json.Decoder(_Message)
_status = msgspec.json.Decoder(_Status)


@dataclass(slots=True)
class Fact:
    """One record to be: `type` and `id` of the event, its Kafka `key`, when Meta says it happened, and what it is."""

    type: str
    id: str
    key: str
    occurred_at: datetime
    data: webhooks.WebhookData


def cut(body: bytes, *, body_id: str, now: datetime) -> list[Fact]:
    """All facts of a signed body, at least one. `body_id` is shared by them, `now` is when it arrived."""
    facts = _cut_plain(body, now) or list(_cut_body(body, now))
    for position, fact in enumerate(facts):
        arrival = webhooks.Arrival(body_id=body_id, body_bytes=len(body), position=position, count=len(facts))
        fact.data = msgspec.structs.replace(fact.data, arrival=arrival)
    return facts


_NO_ARRIVAL: Final = webhooks.Arrival(body_id="", body_bytes=0, position=0, count=0)


def _cut_plain(body: bytes, now: datetime) -> list[Fact]:
    """The facts of a plain body; none when it is not one, and has to be cut with more care.

    It finds what `_cut_body` finds, in half the time.
    """
    try:
        entries = _plain.decode(body).entry
    except _BAD:
        return []
    facts: list[Fact] = []
    for entry in entries:
        if not entry.changes:
            return []
        account_id = None if entry.id is None else str(entry.id)
        for change in entry.changes:
            value = change.value
            if not (value.messages or value.statuses):
                return []
            place = _Place(account_id, entry.time, now, MESSAGES_FIELD, value.metadata or _Number())
            people = value.contacts or ()
            facts.extend(_message_fact(fragment, people, place) for fragment in value.messages or ())
            facts.extend(_status_fact(fragment, people, place) for fragment in value.statuses or ())
    return facts


def _cut_body(body: bytes, now: datetime) -> Iterator[Fact]:
    try:
        entries = _body.decode(body).entry
    except _BAD as error:
        yield _unparsed(body, str(error), now)
        return
    if not entries:
        yield _unparsed(body, "the body has no entry", now)
    for entry in entries:
        yield from _cut_entry(entry, now)


def _cut_entry(raw: msgspec.Raw, now: datetime) -> Iterator[Fact]:
    try:
        entry = _entry.decode(raw)
    except _BAD as error:
        yield _unparsed(bytes(raw), str(error), now)
        return
    if not entry.changes:
        yield _unparsed(bytes(raw), "the entry has no change", now)
    for change in entry.changes:
        yield from _cut_change(change, entry, now)


def _cut_change(raw: msgspec.Raw, entry: _Entry, now: datetime) -> Iterator[Fact]:
    place = _Place(account_id=None if entry.id is None else str(entry.id), entry_time=entry.time, now=now)
    try:
        change = _change.decode(raw)
        place.field = change.field
        if change.field != MESSAGES_FIELD:
            place.number = _number_of(change.value)
            yield _change_fact(change.value, place)
            return
        value = _value.decode(change.value)
    except _BAD as error:
        yield _unparsed(bytes(raw), str(error), now, place)
        return
    place.number = value.metadata or _Number()
    yield from _cut_messages(change.value, value, place)


def _cut_messages(raw: msgspec.Raw, value: _Value, place: "_Place") -> Iterator[Fact]:
    people = [person for person in map(_read_person, value.contacts or ()) if person is not None]
    for fragment in value.messages or ():
        yield _message_fact(fragment, people, place)
    for fragment in value.statuses or ():
        yield _status_fact(fragment, people, place)
    if value.errors or not (value.messages or value.statuses):
        yield _change_fact(raw, place)


@dataclass(slots=True)
class _Place:
    """Where in the body a fragment stands."""

    account_id: str | None
    entry_time: int | None
    now: datetime
    field: str | None = None
    number: _Number | None = None

    def data(self, **more: object) -> webhooks.WebhookData:
        number = self.number or _Number()
        return webhooks.WebhookData(
            arrival=_NO_ARRIVAL,
            field=self.field,
            account_id=self.account_id,
            entry_time=self.entry_time,
            phone_number_id=number.phone_number_id,
            display_phone_number=number.display_phone_number,
            **more,  # type: ignore[arg-type]  # the callers below name real fields
        )


def _message_fact(raw: msgspec.Raw, people: Sequence[_Person], place: _Place) -> Fact:
    try:
        message = _message.decode(raw)
        _check_text(raw)
    except _BAD as error:
        return _unparsed(bytes(raw), str(error), place.now, place)
    contact = _sender_of(message, people)
    return Fact(
        type=webhooks.MESSAGE,
        id=derive_id(webhooks.MESSAGE, message.id),
        key=_key(place, contact),
        occurred_at=from_unix(message.timestamp, fallback=place.now),
        data=place.data(contact=contact, wamid=message.id, raw=raw),
    )


def _status_fact(raw: msgspec.Raw, people: Sequence[_Person], place: _Place) -> Fact:
    try:
        status = _status.decode(raw)
        _check_text(raw)
    except _BAD as error:
        return _unparsed(bytes(raw), str(error), place.now, place)
    participant = status.recipient_participant_user_id or status.recipient_participant_id or ""
    contact = _recipient_of(status, people)
    return Fact(
        type=webhooks.STATUS,
        id=derive_id(webhooks.STATUS, status.id, status.status, participant),
        key=_key(place, contact),
        occurred_at=from_unix(status.timestamp, fallback=place.now),
        data=place.data(contact=contact, wamid=status.id, raw=raw),
    )


def _change_fact(raw: msgspec.Raw, place: _Place) -> Fact:
    try:
        _check_text(raw)
    except UnicodeDecodeError as error:
        return _unparsed(bytes(raw), str(error), place.now, place)
    digest = hashlib.sha256(raw).hexdigest()
    return Fact(
        type=webhooks.CHANGE,
        id=derive_id(webhooks.CHANGE, place.account_id or "", str(place.entry_time), place.field or "", digest),
        key=_key(place, None),
        occurred_at=from_unix(place.entry_time, fallback=place.now),
        data=place.data(raw=raw),
    )


def _unparsed(raw: bytes, reason: str, now: datetime, place: _Place | None = None) -> Fact:
    """The part that was not understood, all of it: as JSON where it is JSON, as base64 where it is not."""
    place = place or _Place(account_id=None, entry_time=None, now=now)
    json_text = _is_json(raw)
    return Fact(
        type=webhooks.UNPARSED,
        id=derive_id(webhooks.UNPARSED, hashlib.sha256(raw).hexdigest()),
        key=_key(place, None),
        occurred_at=now,
        data=place.data(
            raw=msgspec.Raw(raw) if json_text else webhooks.NO_JSON,
            raw_base64=None if json_text else base64.b64encode(raw).decode(),
            reason=reason,
        ),
    )


def _check_text(raw: msgspec.Raw) -> None:
    """Raises `UnicodeDecodeError`: msgspec skips over strings that it need not read, whatever bytes they hold."""
    str(raw, "utf-8")


def _is_json(raw: bytes) -> bool:
    """Whether the bytes can stand inside a record as they are: valid JSON in valid UTF-8."""
    try:
        raw.decode()
        msgspec.json.decode(raw, type=msgspec.Raw)
        msgspec.json.decode(raw)
    except _BAD:
        return False
    return bool(raw.strip())


def _key(place: _Place, contact: Contact | None) -> str:
    number = place.number.phone_number_id if place.number else None
    if number and contact is not None:
        return contact_key(number, contact)
    return number or place.account_id or "unknown"


def _number_of(value: msgspec.Raw) -> _Number:
    try:
        found = _number_only.decode(value)
    except _BAD:
        return _Number()
    return found.metadata or found.recipient or _Number()


def _read_person(raw: msgspec.Raw) -> _Person | None:
    try:
        return _person.decode(raw)
    except _BAD:
        return None


def _sender_of(message: _Message, people: Sequence[_Person]) -> Contact:
    person = _match(people, message.from_user_id, message.sender)
    profile = person.profile or _Profile()
    return Contact(
        user_id=message.from_user_id or person.user_id,
        wa_id=message.sender or person.wa_id,
        parent_user_id=message.from_parent_user_id or person.parent_user_id,
        group_id=message.group_id,
        name=profile.name,
        username=profile.username,
    )


def _recipient_of(status: _Status, people: Sequence[_Person]) -> Contact:
    if status.recipient_type == "group":
        return Contact(group_id=status.recipient_id)
    person = _match(people, status.recipient_user_id, status.recipient_id)
    profile = person.profile or _Profile()
    return Contact(
        user_id=status.recipient_user_id or person.user_id,
        wa_id=status.recipient_id or person.wa_id,
        parent_user_id=status.recipient_parent_user_id or person.parent_user_id,
        name=profile.name,
        username=profile.username,
    )


def _match(people: Sequence[_Person], user_id: str | None, wa_id: str | None) -> _Person:
    for person in people:
        if (user_id and person.user_id == user_id) or (wa_id and person.wa_id == wa_id):
            return person
    return _Person()
