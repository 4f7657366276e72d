"""What a message says of its sender's own ids: that they have changed, or a phone number that was asked for. Pure.

Sources: Meta, "System messages webhook reference" (`wa_id`; up to version 11 of the API `new_wa_id`, with `customer`
as the one before), "Business-scoped user ids" (`user_id`, `previous_user_id`; a shared number has the origin
`contact_request`, other cards have not).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from common.contracts.contacts import Contact
from common.meta.optional_parts import digits, objects, phone, text
from common.meta.payloads import read_json

_PREVIOUS: Final = b'"previous_user_id"'
_REQUESTED: Final = "contact_request"


@dataclass(frozen=True, slots=True)
class Identity:
    """The ids that a message says its sender has from now on, and those that were the same person's before.

    `changed` says that Meta tells of a change: what was known of the person until now is of the past.
    """

    now: Contact
    before: tuple[Contact, ...] = ()
    changed: bool = False

    def applied_to(self, sender: Contact) -> Contact:
        """The sender as it is to be written to from now on.

        With a new phone number comes a new BSUID (Meta): one that is not named is not known, and the old one is not
        written to.
        """
        if not self.changed:
            return msgspec.structs.replace(sender, wa_id=sender.wa_id or self.now.wa_id)
        moved = self.moves(sender)
        return msgspec.structs.replace(
            sender,
            user_id=self.now.user_id or (None if moved else sender.user_id),
            wa_id=self.now.wa_id or sender.wa_id,
            parent_user_id=self.now.parent_user_id or (None if moved else sender.parent_user_id),
        )

    def moves(self, sender: Contact) -> bool:
        """Whether the sender has another phone number now."""
        return self.changed and self.now.wa_id is not None and set(self.now.aliases()).isdisjoint(sender.aliases())


NOTHING: Final = Identity(Contact())


def read_identity(message_type: str, raw: msgspec.Raw) -> Identity:
    """Never fails: a message that cannot be parsed names no ids."""
    if message_type == "system":
        return _of_system(next(iter(objects(read_json(raw).get("system"))), None))
    if message_type == "contacts":
        return _of_cards(read_json(raw))
    return _of_sender(read_json(raw)) if _PREVIOUS in bytes(raw) else NOTHING


def _of_sender(message: Mapping[str, Any]) -> Identity:
    """A message of any other type that names the BSUID that its sender had before."""
    before = text(message.get("previous_user_id"))
    return Identity(Contact(), (Contact(user_id=before),), changed=True) if before else NOTHING


def _of_system(system: object) -> Identity:
    if not isinstance(system, dict):
        return NOTHING
    older, newer = digits(system.get("wa_id")), digits(system.get("new_wa_id"))
    now = Contact(
        user_id=text(system.get("user_id")),
        wa_id=newer or older,
        parent_user_id=text(system.get("parent_user_id")),
    )
    users = [text(system.get("previous_user_id"))]
    phones = [digits(system.get("customer")), older if newer else None]
    before = [Contact(user_id=user_id) for user_id in users if user_id]
    before += [Contact(wa_id=phone) for phone in phones if phone]
    return Identity(now, tuple(before), changed=True)


def _of_cards(message: Mapping[str, Any]) -> Identity:
    for card in objects(message.get("contacts")):
        if _REQUESTED in (message.get("origin"), card.get("origin")):
            for one in objects(card.get("phones")):
                if number := digits(one.get("wa_id")) or phone(one.get("phone")):
                    return Identity(Contact(wa_id=number))
    return NOTHING
