"""Cutting a webhook body into its smallest facts. Pure: bytes in, facts out.

Every entry, change, message and status counts, each by itself: what is not understood is kept whole and flagged, and
does not harm its neighbours. Fragments stay byte for byte as Meta wrote them (`msgspec.Raw` points into the body).

What a body costs is bounded by its size: work and memory grow with its bytes, not with their square, and what would be
repeated beside each fact is short (`ingress.parsing.shapes`). A body beyond a limit is kept whole, as one fact.
"""

import base64
import codecs
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from common.contracts import webhooks
from common.contracts.contacts import Contact, contact_key
from common.contracts.envelope import from_unix
from common.contracts.ids import derive_id
from common.meta.broken_text import Marked, marked, readable
from common.meta.contacts import People, Person
from common.meta.lenient import BAD
from common.meta.payloads import failure_key
from common.meta.sunken import shallow
from ingress.parsing import shapes
from ingress.parsing.contacts import people_of, recipient_of, sender_of
from ingress.parsing.fragments import check_depth, is_json, list_of, rest_of
from ingress.parsing.shapes import (
    MAX_FACTS,
    Body,
    Change,
    Entry,
    Number,
    TooMuch,
    Value,
    check_number,
    is_odd,
    items,
    read,
    read_all,
)

MESSAGES_FIELD: Final = "messages"
LARGE_BODY_BYTES: Final = 16 * 1024
"""Up to this a body is cut in one go. The work on a larger one takes longer than others can wait."""
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]*")
_MAX_REASON: Final = 300  # characters
_MAX_TORN_BYTES: Final = 1024 * 1024  # of a fragment that is kept twice, so that its record fits into the topic
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
    return _unparsed(body, reason, _Place(None, None, now))


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
            people = people_of(value.contacts or (), value.messages or (), value.statuses or ())
            facts.extend(_message_fact(fragment, people, place) for fragment in value.messages or ())
            facts.extend(_status_fact(fragment, people, place) for fragment in value.statuses or ())
    return facts if len(facts) <= MAX_FACTS else []


def _cut_body(body: bytes, now: datetime) -> Iterator[Fact]:
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        found, complete, torn = _read_body(body)
        entries = items(found.entry, "entry")
    except BAD as error:
        yield _unparsed(body, str(error), _Place(None, None, now))
        return
    if not entries:
        yield _unparsed(body, "the body has no entry", _Place(None, None, now))
    about = _About(now, torn)
    for entry in entries:
        yield from _cut_entry(entry, about)
    if entries and not complete:
        about.rests.append(rest_of(torn.body if torn else body, "entry", found.entry))
    if about.rests:
        yield _change_fact(list_of(about.rests), about.place)


def _read_body(body: bytes) -> tuple[Body, bool, Marked | None]:
    """The body, whether all of it is known, and what had to be marked in it to read the rest. Raises one of `BAD`.

    What hides the rest is the half of an emoji, anywhere in it, or a part that is nested too deeply to be skipped.
    """
    try:
        return (*read_all(shapes.BODY, body), None)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError) as error:
        torn = marked(body) if isinstance(error, msgspec.DecodeError) else shallow(body)
        if torn is None:
            raise
    try:
        return (*read_all(shapes.BODY, torn.body), torn)
    except RecursionError:
        torn = shallow(body)
        if torn is None:
            raise
    return (*read_all(shapes.BODY, torn.body), torn)


def _cut_entry(raw: msgspec.Raw, about: "_About") -> Iterator[Fact]:
    try:
        entry, complete = read_all(shapes.ENTRY, raw)
        changes = items(entry.changes, "changes")
    except BAD as error:
        yield _unparsed(raw, str(error), about.place)
        return
    if not changes:
        yield _unparsed(raw, "the entry has no change", about.place)
    for change in changes:
        yield from _cut_change(change, entry, about)
    if changes and not complete:
        about.rests.append(rest_of(raw, "changes", entry.changes))


def _cut_change(raw: msgspec.Raw, entry: Entry, about: "_About") -> Iterator[Fact]:
    account_id = None if entry.id is None else str(entry.id)
    place = _Place(account_id, entry.time, about.now, torn=about.torn)
    try:
        change, all_known = read_all(shapes.CHANGE, raw)
        place.field = None if _is_odd_field(change) else change.field
        if place.field is not None and place.field != MESSAGES_FIELD:
            place.number = _number_of(change.value)
            yield _change_fact(change.value, place)
            if not all_known:
                about.rests.append(rest_of(raw, "value", change.value))
            return
        value, complete = read_all(shapes.VALUE, change.value)
        check_number(value.metadata)
        if place.field is None and not _has_facts(value):
            raise msgspec.ValidationError("the change has no field")
    except BAD as error:
        yield _unparsed(raw, str(error), place)
        return
    all_known = all_known and place.field == change.field
    place.field, place.number = MESSAGES_FIELD, value.metadata or Number()
    yield from _cut_value(change.value, value, place, complete=complete)
    if not all_known:
        about.rests.append(rest_of(raw, "value", change.value))


def _is_odd_field(change: Change) -> bool:
    """Whether the field is no word of Meta's beside messages or statuses of a number: then it says nothing."""
    if change.field is None or _FIELD.fullmatch(change.field):
        return False
    try:
        value = read(shapes.VALUE, change.value)
    except BAD:
        return False
    return value.metadata is not None and _has_facts(value)


def _has_facts(value: Value) -> bool:
    return _is_given(value.messages) or _is_given(value.statuses)


def _cut_value(raw: msgspec.Raw, value: Value, place: "_Place", *, complete: bool) -> Iterator[Fact]:
    """The messages and statuses; the value itself too, where it says more than they and their contacts do."""
    lists = {name: _items_of(value, name) for name in ("contacts", "messages", "statuses", "errors")}
    listed, known = _people(lists["contacts"] or (), place)
    people = people_of(listed, lists["messages"] or (), lists["statuses"] or ())
    complete = complete and known and lists["contacts"] is not None and lists["errors"] == ()
    for name, cut_one in (("messages", _message_fact), ("statuses", _status_fact)):
        found = lists[name]
        if found is None:
            yield _unparsed(getattr(value, name), f"{name} are no list", place)
        else:
            yield from (cut_one(fragment, people, place) for fragment in found)
    if not complete or (lists["messages"], lists["statuses"]) == ((), ()):
        yield _change_fact(raw, place)


def _items_of(value: Value, name: str) -> Sequence[msgspec.Raw] | None:
    """The items of one of the value's lists; None when it is no list."""
    try:
        return items(getattr(value, name), name)
    except BAD:
        return None


def _people(contacts: Sequence[msgspec.Raw], place: "_Place") -> tuple[list[Person], bool]:
    """The people, one without ids where nothing can be read, and whether all that is said of them was understood."""
    people: list[Person] = []
    all_known = True
    for raw in contacts:
        try:
            readable_raw, original = _readable(raw, place)
            person, known = read_all(shapes.PERSON, readable_raw)
            people.append(person)
            all_known = all_known and known and original is None
        except BAD:
            people.append(Person())
            all_known = False
    return people, all_known


def _is_given(raw: msgspec.Raw) -> bool:
    return bytes(memoryview(raw)[:1]) in (b"[", b"{")


@dataclass(slots=True)
class _Place:
    """Where in the body a fragment stands."""

    account_id: str | None
    entry_time: int | None
    now: datetime
    field: str | None = None
    number: Number | None = None
    torn: Marked | None = None

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


@dataclass(slots=True)
class _About:
    """What the parts of a body have in common; `rests` are what is in none of their records."""

    now: datetime
    torn: Marked | None
    rests: list[msgspec.Raw] = field(default_factory=list)

    @property
    def place(self) -> _Place:
        return _Place(None, None, self.now, torn=self.torn)


def _message_fact(raw: msgspec.Raw, people: People, place: _Place) -> Fact:
    try:
        text, original = _readable(raw, place)
        message = read(shapes.MESSAGE, text)
    except BAD as error:
        return _unparsed(raw, str(error), place)
    contact = sender_of(message, text, people)
    number = place.number.phone_number_id if place.number else None
    return Fact(
        type=webhooks.MESSAGE,
        id=derive_id(webhooks.MESSAGE, number or "", message.id),
        key=_key(place, contact),
        occurred_at=from_unix(message.timestamp, fallback=place.now),
        data=place.data(contact=contact, wamid=message.id, raw=text, raw_base64=original),
    )


def _status_fact(raw: msgspec.Raw, people: People, place: _Place) -> Fact:
    try:
        text, original = _readable(raw, place)
        status = read(shapes.STATUS, text)
    except BAD as error:
        return _unparsed(raw, str(error), place)
    participant = status.recipient_participant_user_id or status.recipient_participant_id or ""
    failure = failure_key(status.errors)
    contact = recipient_of(status, people)
    number = place.number.phone_number_id if place.number else None
    return Fact(
        type=webhooks.STATUS,
        id=derive_id(webhooks.STATUS, number or "", status.id, status.status, participant, failure),
        key=_key(place, contact),
        occurred_at=from_unix(status.timestamp, fallback=place.now),
        data=place.data(contact=contact, wamid=status.id, raw=text, raw_base64=original),
    )


def _change_fact(raw: msgspec.Raw, place: _Place) -> Fact:
    try:
        text, original = _readable(raw, place)
    except BAD as error:
        return _unparsed(raw, str(error), place)
    digest = hashlib.sha256(_bytes_of(raw, place)).hexdigest()
    return Fact(
        type=webhooks.CHANGE,
        id=derive_id(webhooks.CHANGE, place.account_id or "", str(place.entry_time), place.field or "", digest),
        key=_key(place, None),
        occurred_at=from_unix(place.entry_time, fallback=place.now),
        data=place.data(raw=text, raw_base64=original),
    )


def _unparsed(part: bytes | msgspec.Raw, reason: str, place: _Place) -> Fact:
    """The part that was not understood, all of it: as JSON where it is JSON, as base64 where it is not."""
    raw = _bytes_of(part, place)
    json_text = is_json(raw)
    return Fact(
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


def _bytes_of(part: bytes | msgspec.Raw, place: _Place) -> bytes:
    """A part of the body as Meta wrote it."""
    raw = bytes(part)
    return place.torn.original(raw) if place.torn is not None else raw


def _readable(raw: msgspec.Raw, place: _Place) -> tuple[msgspec.Raw, str | None]:
    """A fragment as JSON that every reader takes; and what Meta wrote, as base64, where that is not the same.

    msgspec skips over strings that it need not read, whatever bytes they hold. Raises one of `BAD` when the fragment
    is nested so deeply that those who read the record would fail at it, or is too large to be kept twice.
    """
    original = None
    try:
        str(raw, "utf-8")
    except UnicodeDecodeError:
        given = _bytes_of(raw, place)
        if len(given) > _MAX_TORN_BYTES:
            raise
        raw, original = msgspec.Raw(readable(given)), base64.b64encode(given).decode()
    if len(raw) > _SHALLOW_BYTES:
        check_depth(bytes(raw))
    return raw, original


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
