"""Calls that people make: what a `calls` webhook says of who called, and when. Pure.

Sources: Meta, "Calling API", "calls webhook" (`direction`, `from`, `from_user_id`); "Pricing on the platform": a
person's call opens or refreshes the customer service window, whether it is answered or not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from common.contracts.contacts import Contact, is_group, named
from common.contracts.envelope import believable, from_unix
from common.contracts.phone_numbers.notations import canonical
from common.meta.contacts import Ids, People, Person, Profile
from common.meta.optional_parts import digits, objects, text
from common.meta.payloads import read_json

_BY_US: Final = "BUSINESS_INITIATED"
_Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A person's call to a business number, and when it began."""

    contact: Contact
    at: datetime


def calls_of(value: msgspec.Raw, received: datetime) -> tuple[Call, ...]:
    """The calls of people in a change. Never fails: a call that cannot be parsed is left out."""
    if b'"calls"' not in bytes(value):  # as nearly all changes: nothing is parsed
        return ()
    change = read_json(value)
    people = People([_person(one) for one in objects(change.get("contacts"))], _named(change))
    number = digits(next(iter(objects(change.get("metadata"))), {}).get("display_phone_number"))
    return tuple(
        Call(contact, _began(call, received))
        for call in objects(change.get("calls"))
        if not _is_by_us(call)
        and (number is None or canonical(digits(call.get("from")) or "") != canonical(number))
        and (contact := _caller(call, people)).aliases()
    )


def _is_by_us(call: _Object) -> bool:
    return str(call.get("direction")).upper() == _BY_US


def _caller(call: _Object, people: People) -> Contact:
    """Who called: whom the call names, else the only contact beside it, as it is with messages."""
    return named(people.contact(*_ids(call, "from_user_id", "from"), text(call.get("from_parent_user_id"))))


def _person(listed: _Object) -> Person:
    profile = next(iter(objects(listed.get("profile"))), {})
    user_id, wa_id = _ids(listed, "user_id", "wa_id")
    return Person(
        user_id=user_id,
        wa_id=wa_id,
        parent_user_id=text(listed.get("parent_user_id")),
        profile=Profile(name=text(profile.get("name")), username=text(profile.get("username"))),
    )


def _named(change: _Object) -> Iterator[Ids]:
    """The people of the calls of a change, and of the objects beside them."""
    for call in objects(change.get("calls")):
        yield _ids(call, "to_user_id", "to") if _is_by_us(call) else _ids(call, "from_user_id", "from")
    for message in objects(change.get("messages")):
        yield _ids(message, "from_user_id", "from")
    for status in objects(change.get("statuses")):
        if status.get("recipient_type") != "group" and not is_group(str(status.get("recipient_id"))):
            yield _ids(status, "recipient_user_id", "recipient_id")


def _ids(given: _Object, user_id: str, wa_id: str) -> Ids:
    return text(given.get(user_id)), digits(given.get(wa_id))


def _began(call: _Object, received: datetime) -> datetime:
    """A call that has ended names its beginning beside the time of the webhook."""
    began = call.get("start_time") or call.get("timestamp")
    return believable(from_unix(began, fallback=received), received=received)
