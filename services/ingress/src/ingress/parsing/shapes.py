"""The parts of a webhook body, as far as ingress reads them, and the limits of what it reads.

A body of 3 MB can hold a million entries, or one id of 1 MB that is repeated beside each of a thousand messages. So a
list has at most `MAX_FACTS` items: `LimitExceeded` says that it has more. An id has at most `LONGEST_ID` characters: a
longer one counts as not understood. A name is cut after `LONGEST_NAME` (`common.meta.contacts`).

Shapes: Meta, "Webhooks overview" and "messages webhook reference".
"""

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from common.meta.contacts import LONGEST_ID, Id, Person
from common.meta.lenient import Lenient

MAX_FACTS: Final = 2_000
"""Facts of one body, and items of one list in it. Meta sends at most 1,000 updates in one ("Webhooks overview")."""
_LATEST: Final = 2**53  # seconds or milliseconds: an integer that every JSON reader takes

_NAME: Final = re.compile(r"[0-9A-Za-z_.-]+")

OwnId = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID, pattern=r"\S")]
"""The id of a message. It may not be empty, because two messages with an empty id would count as one."""

AccountId = Id | Annotated[int, Meta(ge=0, le=2**63 - 1)]
Time = Annotated[int, Meta(ge=-_LATEST, le=_LATEST)]
Timestamp = Id | int | float


class LimitExceeded(Exception):  # not an error: the body is taken, as one fact
    """A body exceeds a limit; the text says which. It has to be kept whole, as one unparsed fact."""


_ABSENT: Final = msgspec.Raw()

# A list whose first items are kept, while the others are only skipped: a Python list would have all of them. It has
# room for all that are allowed, so it is made once for the list that counts, and not for each repetition of a key.
_Items: Any = msgspec.defstruct(
    "Items", [(f"item_{n}", msgspec.Raw, _ABSENT) for n in range(MAX_FACTS + 1)], array_like=True, gc=False
)


def items(array: msgspec.Raw, name: str) -> Sequence[msgspec.Raw]:
    """The items of the JSON array `name`; none if it is `null` or absent; an object is its only item.

    Raises one of `lenient.BAD` when it is neither, `LimitExceeded` when it has more than `MAX_FACTS` items.
    """
    if array is _ABSENT:
        return ()
    if bytes(memoryview(array)[:1]) == b"{":
        return (array,)
    try:
        found = _ITEMS.decode(array)
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(f"{name}: {error}") from None
    if found is None:
        return ()
    all_items = msgspec.structs.astuple(found)
    if all_items[-1] is not _ABSENT:
        raise LimitExceeded(f"{name} has more than {MAX_FACTS} items")
    return tuple(takewhile(lambda item: item is not _ABSENT, all_items))


T = TypeVar("T", bound=msgspec.Struct)


def read(lenient: Lenient[T], raw: bytes | msgspec.Raw) -> T:
    """What `raw` says. Raises one of `lenient.BAD`."""
    return lenient.decode(raw)


def read_all(lenient: Lenient[T], raw: bytes | msgspec.Raw) -> tuple[T, bool]:
    """The same, and whether nothing in `raw` is unknown or not understood."""
    return lenient.read(raw)


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """A body, whatever its entries are."""

    entry: msgspec.Raw
    object: msgspec.Raw = _ABSENT


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """One entry, whatever its changes are."""

    changes: msgspec.Raw
    id: AccountId | None = None
    time: Time | None = None


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """One change, whatever its value is. One without a field may still be understood by its value."""

    value: msgspec.Raw
    field: Id | None = None


class Number(msgspec.Struct, forbid_unknown_fields=True):
    """The business number that a change is about."""

    phone_number_id: Id | None = None
    display_phone_number: Id | None = None


def is_unsafe(number: Number | None) -> bool:
    """Whether the number's id could be mistaken for another one in a key or in an alias.

    Meta's ids are digits. An id is unsafe with a `:` or a `|`, which end the number there, with blanks, or with letters
    of other scripts.
    """
    if number is None or not (given := number.phone_number_id):
        return False
    return not (given.isascii() and (given.isdigit() or _NAME.fullmatch(given)))


def check_number(number: Number | None) -> None:
    """Raises `msgspec.ValidationError` when it is unsafe."""
    if is_unsafe(number):
        raise msgspec.ValidationError("the phone number id has characters that no id has")


class Value(msgspec.Struct, forbid_unknown_fields=True):
    """A value of the field `messages`, whatever its parts are. Everything else in it is kept in a record of its own."""

    messaging_product: msgspec.Raw = _ABSENT
    metadata: Number | None = None
    contacts: msgspec.Raw = _ABSENT
    messages: msgspec.Raw = _ABSENT
    statuses: msgspec.Raw = _ABSENT
    errors: msgspec.Raw = _ABSENT


class NumberOnly(msgspec.Struct):
    """The number in a value of any field."""

    metadata: Number | None = None
    recipient: Number | None = None  # `messaging_handovers` names the number here


class Message(msgspec.Struct, rename={"sender": "from"}):
    """What ingress reads of a message."""

    id: OwnId
    sender: Id | None = None
    from_user_id: Id | None = None
    from_parent_user_id: Id | None = None
    group_id: Id | None = None
    timestamp: Timestamp | None = None


class System(msgspec.Struct):
    """The person that a `system` message is about, in Meta's present form and in its older ones."""

    user_id: Id | None = None
    previous_user_id: Id | None = None
    wa_id: Id | None = None
    new_wa_id: Id | None = None
    customer: Id | None = None


class AboutSystem(msgspec.Struct):
    """The part of a message without a sender that names the person it is about."""

    system: System | None = None


class Status(msgspec.Struct):
    """What ingress reads of a status."""

    id: OwnId
    status: OwnId
    recipient_id: Id | None = None
    recipient_user_id: Id | None = None
    recipient_parent_user_id: Id | None = None
    recipient_type: Id | None = None
    recipient_participant_id: Id | None = None
    recipient_participant_user_id: Id | None = None
    timestamp: Timestamp | None = None
    errors: msgspec.Raw = _ABSENT


class PlainValue(msgspec.Struct, forbid_unknown_fields=True):
    """A value of messages and statuses alone."""

    messaging_product: msgspec.Raw = _ABSENT
    metadata: Number | None = None
    contacts: list[Person] | None = None
    messages: list[msgspec.Raw] | None = None
    statuses: list[msgspec.Raw] | None = None
    errors: None = None


class PlainChange(msgspec.Struct, forbid_unknown_fields=True):
    """A change of messages and statuses alone."""

    field: Literal["messages"]
    value: PlainValue


class PlainEntry(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of messages and statuses alone."""

    changes: list[PlainChange]
    id: AccountId | None = None
    time: Time | None = None


class PlainBody(msgspec.Struct, forbid_unknown_fields=True):
    """Nearly every body: messages and statuses alone, all of it as documented. Decoded in one go."""

    entry: list[PlainEntry]
    object: msgspec.Raw = _ABSENT


_ITEMS: Final = msgspec.json.Decoder(_Items | None)
PLAIN: Final = msgspec.json.Decoder(PlainBody)
BODY: Final = Lenient(Body)
ENTRY: Final = Lenient(Entry)
CHANGE: Final = Lenient(Change)
VALUE: Final = Lenient(Value)
NUMBER_ONLY: Final = Lenient(NumberOnly)
PERSON: Final = Lenient(Person)
MESSAGE: Final = Lenient(Message)
SYSTEM: Final = Lenient(AboutSystem)
STATUS: Final = Lenient(Status)
