"""Who a conversation is with.

Since 2026 Meta identifies people by a business-scoped user id (BSUID, `user_id`); the phone number (`wa_id`) is an
alias that may be missing, may change, and may be all that is known when we write first. Groups have their own id.
"""

import msgspec

from common.contracts.envelope import Contract
from common.contracts.notations import notations


class Contact(Contract, frozen=True, kw_only=True):
    """One person, or one group, as far as Meta names them. At least one of the three ids is set."""

    user_id: str | None = None
    wa_id: str | None = None
    group_id: str | None = None
    parent_user_id: str | None = None
    name: str | None = None
    username: str | None = None

    def aliases(self) -> tuple[str, ...]:
        """The ids under which this contact is known, the strongest first: `g:…`, else `u:…` and `p:…`.

        A phone number is there in all of its notations, the canonical one first.
        """
        if self.group_id:
            return (f"g:{self.group_id}",)
        strong = (f"u:{self.user_id}",) if self.user_id else ()
        return (*strong, *[f"p:{number}" for number in notations(self.wa_id)]) if self.wa_id else strong


def named(contact: Contact) -> Contact:
    """The contact without an empty name: one that says nothing must not stand in the place of one that is known."""
    name, username = contact.name, contact.username
    if (name is None or name.strip()) and (username is None or username.strip()):
        return contact
    return msgspec.structs.replace(
        contact,
        name=name if name and name.strip() else None,
        username=username if username and username.strip() else None,
    )


def contact_of_recipient(to: str) -> Contact:
    """The contact named by the `to` of a send request: a BSUID (`CC.…`) or a phone number in any notation.

    Digits are those of ASCII, as Meta has them. A number with those of other scripts names nobody: to leave them out
    would name another person.
    """
    if not to.isascii():
        return _of_foreign(to)
    if "." in to and to.split(".", 1)[0].isalpha():
        return Contact(user_id=to)
    plain = to.removeprefix("+")
    if plain.isdigit():  # as nearly every caller writes it
        return Contact(wa_id=plain)
    return Contact(wa_id="".join(filter(str.isdigit, to)))


def _of_foreign(to: str) -> Contact:
    """With characters beyond ASCII: dashes and spaces of typography may stand between the digits."""
    if any(character.isalnum() and not character.isascii() for character in to):
        return Contact()
    return contact_of_recipient("".join(filter(str.isascii, to)))


def contact_key(phone_number_id: str, contact: Contact) -> str:
    """The Kafka key of a contact's records: its strongest id beside the business number.

    Order is per key, so one person's messages stay in one partition.
    """
    aliases = contact.aliases()
    return f"{phone_number_id}:{aliases[0]}" if aliases else phone_number_id
