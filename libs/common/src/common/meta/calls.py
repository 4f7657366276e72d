"""Calls that people make: what a `calls` webhook says of who called, and when. Pure.

Sources: Meta, "Calling API", "calls webhook" (`direction`, `from`, `from_user_id`); "Pricing on the platform": a
person's call opens or refreshes the customer service window, whether it is answered or not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from common.contracts.envelope import believable, from_unix
from common.contracts.notations import canonical
from common.contracts.people import Contact, named
from common.meta.loosely import digits, objects, text
from common.meta.payloads import read_json

_BY_US: Final = "BUSINESS_INITIATED"


@dataclass(frozen=True, slots=True)
class Call:
    """A person's call to a business number, and when it began."""

    contact: Contact
    at: datetime


def calls_of(value: msgspec.Raw, received: datetime) -> tuple[Call, ...]:
    """The calls of people in a change. Never fails: a call that is not understood is none."""
    if b'"calls"' not in bytes(value):  # as nearly all changes: nothing is parsed
        return ()
    change = read_json(value)
    people = objects(change.get("contacts"))
    number = digits(next(iter(objects(change.get("metadata"))), {}).get("display_phone_number"))
    calls = objects(change.get("calls"))
    return tuple(
        Call(contact, _began(call, received))
        for call in calls
        if str(call.get("direction")).upper() != _BY_US
        and (number is None or canonical(digits(call.get("from")) or "") != canonical(number))
        and (contact := _caller(call, people, alone=len(calls) == 1)).aliases()
    )


def _caller(call: Mapping[str, Any], people: list[dict[str, Any]], *, alone: bool) -> Contact:
    user_id, wa_id = text(call.get("from_user_id")), digits(call.get("from"))
    number = canonical(wa_id or "")
    known = [
        one
        for one in people
        if (user_id and text(one.get("user_id")) == user_id)
        or (number and canonical(digits(one.get("wa_id")) or "") == number)
    ]
    only = people if alone and len(people) == 1 and not (user_id or wa_id) else []
    person = next(iter([*known, *only]), {})
    profile = next(iter(objects(person.get("profile"))), {})
    contact = Contact(
        user_id=user_id or text(person.get("user_id")),
        wa_id=wa_id or digits(person.get("wa_id")),
        name=text(profile.get("name")),
        username=text(profile.get("username")),
    )
    return named(contact)


def _began(call: Mapping[str, Any], received: datetime) -> datetime:
    """A call that has ended names its beginning beside the time of the webhook."""
    began = call.get("start_time") or call.get("timestamp")
    return believable(from_unix(began, fallback=received), received=received)
