"""Cutting a webhook body into its smallest facts. Pure: bytes in, facts out.

Every entry, change, message and status is read by itself: a part that cannot be parsed is kept whole and flagged, and
does not affect its neighbours. Fragments stay byte for byte as Meta wrote them (`msgspec.Raw` points into the body).

What a body costs is bounded by its size: work and memory grow with its bytes, not with their square, and what would be
repeated beside each fact is short (`ingress.parsing.shapes`). A body beyond a limit is kept whole, as one fact.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from common.contracts import webhooks
from common.meta.broken_text import Marked, marked
from common.meta.contacts import Person
from common.meta.lenient import BAD
from common.meta.sunken import shallow
from ingress.parsing import shapes
from ingress.parsing.contacts import people_of
from ingress.parsing.facts import (
    Place,
    WebhookFact,
    change_fact,
    message_fact,
    readable_fragment,
    status_fact,
    unparsed_fact,
)
from ingress.parsing.fragments import list_of, remainder_of
from ingress.parsing.shapes import (
    MAX_FACTS,
    Body,
    Change,
    Entry,
    LimitExceeded,
    Number,
    Value,
    check_number,
    is_unsafe,
    items,
    read,
    read_all,
)

MESSAGES_FIELD: Final = "messages"
LARGE_BODY_BYTES: Final = 16 * 1024
"""Up to this size a body is cut in one go. A larger one would make other requests wait too long."""
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]*")


def cut(body: bytes, *, body_id: str, now: datetime) -> list[WebhookFact]:
    """All facts of a signed body, at least one. `body_id` is shared by them, `now` is when it arrived."""
    try:
        facts = (_cut_plain(body, now) if len(body) <= LARGE_BODY_BYTES else []) or list(facts_of(body, now))
    except LimitExceeded as error:
        facts = [whole_body(body, str(error), now)]
    for position, fact in enumerate(facts):
        _set_arrival(fact, body_id, len(body), position, len(facts))
    return facts


def with_arrival(facts: Sequence[WebhookFact], body_id: str, body_bytes: int) -> Iterator[WebhookFact]:
    """The same facts one by one, each with its arrival, so that the caller may pause."""
    for position, fact in enumerate(facts):
        _set_arrival(fact, body_id, body_bytes, position, len(facts))
        yield fact


def _set_arrival(fact: WebhookFact, body_id: str, body_bytes: int, position: int, count: int) -> None:
    arrival = webhooks.Arrival(body_id=body_id, body_bytes=body_bytes, position=position, count=count)
    # It is set in place, because a copy would cost as much as the signature, and no other code has this object yet.
    msgspec.structs.force_setattr(fact.data, "arrival", arrival)


def facts_of(body: bytes, now: datetime) -> Iterator[WebhookFact]:
    """The facts one by one, without their arrival, so that the caller may pause. Raises `LimitExceeded`."""
    for count, fact in enumerate(_cut_body(body, now), 1):
        if count > MAX_FACTS:
            raise LimitExceeded(f"the body has more than {MAX_FACTS} facts")
        yield fact


def whole_body(body: bytes, reason: str, now: datetime) -> WebhookFact:
    """All of a body as one unparsed fact."""
    return unparsed_fact(body, reason, Place(None, None, now))


def _cut_plain(body: bytes, now: datetime) -> list[WebhookFact]:
    """The facts of a plain body; none for another one, which has to be cut with more care.

    It finds what `_cut_body` finds, in half the time.
    """
    try:
        entries = shapes.PLAIN.decode(body).entry
    except BAD:
        return []
    facts: list[WebhookFact] = []
    for entry in entries:
        if not entry.changes:
            return []
        account_id = None if entry.id is None else str(entry.id)
        for change in entry.changes:
            value = change.value
            if not (value.messages or value.statuses):
                return []
            place = Place(account_id, entry.time, now, MESSAGES_FIELD, value.metadata or Number())
            if is_unsafe(place.number):
                return []
            people = people_of(value.contacts or (), value.messages or (), value.statuses or ())
            facts.extend(message_fact(fragment, people, place) for fragment in value.messages or ())
            facts.extend(status_fact(fragment, people, place) for fragment in value.statuses or ())
    return facts if len(facts) <= MAX_FACTS else []


def _cut_body(body: bytes, now: datetime) -> Iterator[WebhookFact]:
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        found, complete, marked_body = _read_body(body)
        entries = items(found.entry, "entry")
    except BAD as error:
        yield unparsed_fact(body, str(error), Place(None, None, now))
        return
    if not entries:
        yield unparsed_fact(body, "the body has no entry", Place(None, None, now))
    context = _BodyContext(now, marked_body)
    for entry in entries:
        yield from _cut_entry(entry, context)
    if entries and not complete:
        context.remainders.append(remainder_of(marked_body.body if marked_body else body, "entry", found.entry))
    if context.remainders:
        yield change_fact(list_of(context.remainders), context.place)


def _read_body(body: bytes) -> tuple[Body, bool, Marked | None]:
    """The body, whether all of its fields are known, and the marked form that was parsed instead, if there is one.

    Half an emoji anywhere, or a part that is nested too deeply to be skipped, hides the rest of a body. Then its marked
    form is parsed. Raises one of `BAD`.
    """
    try:
        return (*read_all(shapes.BODY, body), None)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError) as error:
        marked_body = marked(body) if isinstance(error, msgspec.DecodeError) else shallow(body)
        if marked_body is None:
            raise
    try:
        return (*read_all(shapes.BODY, marked_body.body), marked_body)
    except RecursionError:
        marked_body = shallow(body)
        if marked_body is None:
            raise
    return (*read_all(shapes.BODY, marked_body.body), marked_body)


def _cut_entry(raw: msgspec.Raw, context: "_BodyContext") -> Iterator[WebhookFact]:
    try:
        entry, complete = read_all(shapes.ENTRY, raw)
        changes = items(entry.changes, "changes")
    except BAD as error:
        yield unparsed_fact(raw, str(error), context.place)
        return
    if not changes:
        yield unparsed_fact(raw, "the entry has no change", context.place)
    for change in changes:
        yield from _cut_change(change, entry, context)
    if changes and not complete:
        context.remainders.append(remainder_of(raw, "changes", entry.changes))


def _cut_change(raw: msgspec.Raw, entry: Entry, context: "_BodyContext") -> Iterator[WebhookFact]:
    account_id = None if entry.id is None else str(entry.id)
    place = Place(account_id, entry.time, context.now, marked_body=context.marked_body)
    try:
        change, all_known = read_all(shapes.CHANGE, raw)
        place.field = None if _is_invalid_field(change) else change.field
        if place.field is not None and place.field != MESSAGES_FIELD:
            place.number = _number_of(change.value)
            yield change_fact(change.value, place)
            if not all_known:
                context.remainders.append(remainder_of(raw, "value", change.value))
            return
        value, complete = read_all(shapes.VALUE, change.value)
        check_number(value.metadata)
        if place.field is None and not _has_facts(value):
            raise msgspec.ValidationError("the change has no field")
    except BAD as error:
        yield unparsed_fact(raw, str(error), place)
        return
    all_known = all_known and place.field == change.field
    place.field, place.number = MESSAGES_FIELD, value.metadata or Number()
    yield from _cut_value(change.value, value, place, complete=complete)
    if not all_known:
        context.remainders.append(remainder_of(raw, "value", change.value))


def _is_invalid_field(change: Change) -> bool:
    """Whether the field is not one of Meta's, while the value has messages or statuses of a number."""
    if change.field is None or _FIELD.fullmatch(change.field):
        return False
    try:
        value = read(shapes.VALUE, change.value)
    except BAD:
        return False
    return value.metadata is not None and _has_facts(value)


def _has_facts(value: Value) -> bool:
    return _is_given(value.messages) or _is_given(value.statuses)


def _cut_value(raw: msgspec.Raw, value: Value, place: Place, *, complete: bool) -> Iterator[WebhookFact]:
    """The messages and statuses; also the value itself if it says more than they and their contacts do."""
    lists = {name: _items_of(value, name) for name in ("contacts", "messages", "statuses", "errors")}
    listed, known = _people(lists["contacts"] or (), place)
    people = people_of(listed, lists["messages"] or (), lists["statuses"] or ())
    complete = complete and known and lists["contacts"] is not None and lists["errors"] == ()
    for name, cut_one in (("messages", message_fact), ("statuses", status_fact)):
        found = lists[name]
        if found is None:
            yield unparsed_fact(getattr(value, name), f"{name} are not a list", place)
        else:
            yield from (cut_one(fragment, people, place) for fragment in found)
    if not complete or (lists["messages"], lists["statuses"]) == ((), ()):
        yield change_fact(raw, place)


def _items_of(value: Value, name: str) -> Sequence[msgspec.Raw] | None:
    """The items of one of the value's lists; None when it is not a list."""
    try:
        return items(getattr(value, name), name)
    except BAD:
        return None


def _people(contacts: Sequence[msgspec.Raw], place: Place) -> tuple[list[Person], bool]:
    """The people (without ids if they cannot be read), and whether everything about them was understood."""
    people: list[Person] = []
    all_known = True
    for raw in contacts:
        try:
            readable_raw, original = readable_fragment(raw, place)
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
class _BodyContext:
    """What the parts of a body have in common; `remainders` are the parts that are in none of their records."""

    now: datetime
    marked_body: Marked | None
    remainders: list[msgspec.Raw] = field(default_factory=list)

    @property
    def place(self) -> Place:
        return Place(None, None, self.now, marked_body=self.marked_body)


def _number_of(value: msgspec.Raw) -> Number:
    try:
        found = read(shapes.NUMBER_ONLY, value)
    except BAD:
        return Number()
    number = found.metadata or found.recipient
    return Number() if is_unsafe(number) else number or Number()
