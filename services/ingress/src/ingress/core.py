"""Cutting a webhook body into its smallest facts. Pure: bytes in, facts out.

Every entry, change, message and status counts, each by itself: what is not understood is kept whole and flagged, and
does not harm its neighbours. Fragments stay byte for byte as Meta wrote them (`msgspec.Raw` points into the body).

What a body costs is bounded by its size: work and memory grow with its bytes, not with their square, and what would be
repeated beside each fact is short (`ingress.shapes`). A body beyond a limit is kept whole, as one fact.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from common.contracts import webhooks
from common.contracts.envelope import from_unix
from common.contracts.ids import derive_id
from common.contracts.people import Contact, contact_key
from ingress import shapes
from ingress.contacts import People
from ingress.shapes import (
    BAD,
    MAX_FACTS,
    Entry,
    Message,
    Number,
    Person,
    Profile,
    Status,
    TooMuch,
    check_number,
    is_odd,
    items,
    read,
)

MESSAGES_FIELD: Final = "messages"
LARGE_BODY_BYTES: Final = 16 * 1024
"""Up to this a body is cut in one go. The work on a larger one takes longer than others can wait."""
_MAX_REASON: Final = 300  # characters
_LEVELS_AROUND: Final = 200  # of JSON and of calls, where a record is read that has the fragment in it
_SHALLOW_BYTES: Final = 1_000  # too little for a depth that msgspec would refuse (1,000 calls)


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
    try:
        facts = (_cut_plain(body, now) if len(body) <= LARGE_BODY_BYTES else []) or list(facts_of(body, now))
    except TooMuch as error:
        facts = [whole(body, str(error), now)]
    for position, fact in enumerate(facts):
        _arrive(fact, body_id, len(body), position, len(facts))
    return facts


def arrived(facts: Sequence[Fact], body_id: str, body_bytes: int) -> Iterator[Fact]:
    """The same facts one by one, each with how it arrived, so that the caller may pause."""
    for position, fact in enumerate(facts):
        _arrive(fact, body_id, body_bytes, position, len(facts))
        yield fact


def _arrive(fact: Fact, body_id: str, body_bytes: int, position: int, count: int) -> None:
    arrival = webhooks.Arrival(body_id=body_id, body_bytes=body_bytes, position=position, count=count)
    # The fact's own data, which nothing else has yet: to copy it would cost a webhook as much as its signature.
    msgspec.structs.force_setattr(fact.data, "arrival", arrival)


def facts_of(body: bytes, now: datetime) -> Iterator[Fact]:
    """The facts one by one, without their arrival, so that the caller may pause. Raises `TooMuch` beyond a limit."""
    for count, fact in enumerate(_cut_body(body, now), 1):
        if count > MAX_FACTS:
            raise TooMuch(f"the body has more than {MAX_FACTS} facts")
        yield fact


def whole(body: bytes, reason: str, now: datetime) -> Fact:
    """All of a body as one fact that is not understood."""
    return _unparsed(body, reason, now)


_SKIP: Final = msgspec.json.Decoder(msgspec.Raw)
_NO_ARRIVAL: Final = webhooks.Arrival(body_id="", body_bytes=0, position=0, count=0)


def _cut_plain(body: bytes, now: datetime) -> list[Fact]:
    """The facts of a plain body; none when it is not one, and has to be cut with more care.

    It finds what `_cut_body` finds, in half the time.
    """
    try:
        entries = shapes.PLAIN.decode(body).entry
    except BAD:
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
            place = _Place(account_id, entry.time, now, MESSAGES_FIELD, value.metadata or Number())
            if is_odd(place.number):
                return []
            people = People(value.contacts or ())
            facts.extend(_message_fact(fragment, people, place) for fragment in value.messages or ())
            facts.extend(_status_fact(fragment, people, place) for fragment in value.statuses or ())
    return facts if len(facts) <= MAX_FACTS else []


def _cut_body(body: bytes, now: datetime) -> Iterator[Fact]:
    try:
        entries = items(read(shapes.BODY, body).entry, "entry")
    except BAD as error:
        yield _unparsed(body, str(error), now)
        return
    if not entries:
        yield _unparsed(body, "the body has no entry", now)
    for entry in entries:
        yield from _cut_entry(entry, now)


def _cut_entry(raw: msgspec.Raw, now: datetime) -> Iterator[Fact]:
    try:
        entry = read(shapes.ENTRY, raw)
        changes = items(entry.changes, "changes")
    except BAD as error:
        yield _unparsed(bytes(raw), str(error), now)
        return
    if not changes:
        yield _unparsed(bytes(raw), "the entry has no change", now)
    for change in changes:
        yield from _cut_change(change, entry, now)


def _cut_change(raw: msgspec.Raw, entry: Entry, now: datetime) -> Iterator[Fact]:
    place = _Place(account_id=None if entry.id is None else str(entry.id), entry_time=entry.time, now=now)
    try:
        change = read(shapes.CHANGE, raw)
        place.field = change.field
        if change.field != MESSAGES_FIELD:
            place.number = _number_of(change.value)
            yield _change_fact(change.value, place)
            return
        value = read(shapes.VALUE, change.value)
        check_number(value.metadata)
        contacts, messages = items(value.contacts, "contacts"), items(value.messages, "messages")
        statuses, errors = items(value.statuses, "statuses"), items(value.errors, "errors")
    except BAD as error:
        yield _unparsed(bytes(raw), str(error), now, place)
        return
    place.number = value.metadata or Number()
    people = People([person for person in map(_read_person, contacts) if person is not None])
    yield from (_message_fact(fragment, people, place) for fragment in messages)
    yield from (_status_fact(fragment, people, place) for fragment in statuses)
    if errors or not (messages or statuses):
        yield _change_fact(change.value, place)


@dataclass(slots=True)
class _Place:
    """Where in the body a fragment stands."""

    account_id: str | None
    entry_time: int | None
    now: datetime
    field: str | None = None
    number: Number | None = None

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


def _message_fact(raw: msgspec.Raw, people: People, place: _Place) -> Fact:
    try:
        message = read(shapes.MESSAGE, raw)
        _check_text(raw)
    except BAD as error:
        return _unparsed(bytes(raw), str(error), place.now, place)
    contact = _sender_of(message, people)
    return Fact(
        type=webhooks.MESSAGE,
        id=derive_id(webhooks.MESSAGE, message.id),
        key=_key(place, contact),
        occurred_at=from_unix(message.timestamp, fallback=place.now),
        data=place.data(contact=contact, wamid=message.id, raw=raw),
    )


def _status_fact(raw: msgspec.Raw, people: People, place: _Place) -> Fact:
    try:
        status = read(shapes.STATUS, raw)
        _check_text(raw)
    except BAD as error:
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
    except BAD as error:
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
            reason=reason[:_MAX_REASON],
        ),
    )


def _check_text(raw: msgspec.Raw) -> None:
    """Raises one of `BAD`: msgspec skips over strings that it need not read, whatever bytes they hold.

    Also when it is nested so deeply that those who read the record would fail at it.
    """
    str(raw, "utf-8")
    if len(raw) > _SHALLOW_BYTES:
        _check_depth(bytes(raw))


def _check_depth(raw: bytes) -> None:
    _SKIP.decode(b"[" * _LEVELS_AROUND + raw + b"]" * _LEVELS_AROUND)


def _is_json(raw: bytes) -> bool:
    """Whether the bytes can stand inside a record as they are: valid JSON in valid UTF-8, not too deep.

    Nothing is built of them: the objects of 3 MB of JSON take a hundred.
    """
    try:
        raw.decode()
        _SKIP.decode(raw)
        _check_depth(raw)
    except BAD:
        return False
    return bool(raw.strip())


def _key(place: _Place, contact: Contact | None) -> str:
    number = place.number.phone_number_id if place.number else None
    if number and contact is not None:
        return contact_key(number, contact)
    return number or place.account_id or "unknown"


def _number_of(value: msgspec.Raw) -> Number:
    try:
        found = read(shapes.NUMBER_ONLY, value)
    except BAD:
        return Number()
    number = found.metadata or found.recipient
    return Number() if is_odd(number) else number or Number()


def _read_person(raw: msgspec.Raw) -> Person | None:
    try:
        return read(shapes.PERSON, raw)
    except BAD:
        return None


def _sender_of(message: Message, people: People) -> Contact:
    person = people.match(message.from_user_id, message.sender)
    profile = person.profile or Profile()
    return Contact(
        user_id=message.from_user_id or person.user_id,
        wa_id=message.sender or person.wa_id,
        parent_user_id=message.from_parent_user_id or person.parent_user_id,
        group_id=message.group_id,
        name=profile.name,
        username=profile.username,
    )


def _recipient_of(status: Status, people: People) -> Contact:
    if status.recipient_type == "group":
        return Contact(group_id=status.recipient_id)
    person = people.match(status.recipient_user_id, status.recipient_id)
    profile = person.profile or Profile()
    return Contact(
        user_id=status.recipient_user_id or person.user_id,
        wa_id=status.recipient_id or person.wa_id,
        parent_user_id=status.recipient_parent_user_id or person.parent_user_id,
        name=profile.name,
        username=profile.username,
    )
