"""The people whom the messages and statuses of a change are about. Pure."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from common.contracts.contacts import Contact, is_group
from common.meta.contacts import Ids, People, Person, number_of, said
from common.meta.lenient import BAD
from ingress.parsing import shapes
from ingress.parsing.shapes import Message, Status, System, read


def people_of(
    contacts: Sequence[Person], messages: Sequence[msgspec.Raw] = (), statuses: Sequence[msgspec.Raw] = ()
) -> People:
    """A value's people, beside its messages and statuses."""
    return People(contacts, _named(messages, statuses))


def _named(messages: Sequence[msgspec.Raw], statuses: Sequence[msgspec.Raw]) -> Iterator[Ids]:
    for raw in messages:
        with suppress(*BAD):
            message = read(shapes.MESSAGE, raw)
            yield message.from_user_id, message.sender
    for raw in statuses:
        with suppress(*BAD):
            status = read(shapes.STATUS, raw)
            if not _is_of_group(status):
                yield status.recipient_user_id, status.recipient_id


def sender_of(message: Message, raw: msgspec.Raw, people: People) -> Contact:
    """The sender of a message: the one it names, else the one in its `system` part, else the only contact beside it."""
    user_id, wa_id = said(message.from_user_id), number_of(message.sender)
    if not (user_id or wa_id):
        user_id, wa_id = _named_by_system(raw)
    return people.contact(user_id, wa_id, said(message.from_parent_user_id), said(message.group_id))


def recipient_of(status: Status, people: People) -> Contact:
    """The recipient of a status: the one it names, else the only contact beside it."""
    if _is_of_group(status) and (group_id := said(status.recipient_id)):
        return Contact(group_id=group_id)
    user_id, wa_id = said(status.recipient_user_id), number_of(status.recipient_id)
    return people.contact(user_id, wa_id, said(status.recipient_parent_user_id))


def _is_of_group(status: Status) -> bool:
    """Whether a status is about a group: its type says so, or else its id does."""
    return (status.recipient_type or "").strip().lower() == "group" or is_group(status.recipient_id or "")


def _named_by_system(raw: msgspec.Raw) -> tuple[str | None, str | None]:
    """User id and phone number of the person that a system message is about (Meta, "system messages webhook")."""
    try:
        system = read(shapes.SYSTEM, raw).system or System()
    except BAD:
        return None, None
    user_id = said(system.user_id) or said(system.previous_user_id)
    return user_id, number_of(system.wa_id) or number_of(system.new_wa_id) or number_of(system.customer)
