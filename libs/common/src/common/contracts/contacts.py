"""Who a conversation is with.

Since 2026 Meta identifies people by a business-scoped user id (BSUID, `user_id`); the phone number (`wa_id`) is an
alias that may be missing, may change, and may be all that is known when we write first. Groups have their own id.
"""

import re
from functools import lru_cache
from typing import Final

import msgspec

from common.contracts.envelope import Contract
from common.contracts.phone_numbers.notations import notations
from common.contracts.phone_numbers.parsing import digits_of

WRITE: Final = (
    "write a phone number with its country code (+4915112345678), a BSUID (DE.1349…) or the id of a group (Y2Fw…)"
)

_REMEMBERED: Final = 8_192
_BSUID: Final = re.compile(r"[A-Z]{2}\.[A-Za-z0-9_-]{1,128}(?:\.[A-Za-z0-9_-]{1,128})?")
_GROUP: Final = re.compile(r"Y2Fw[A-Za-z0-9_-]{8,}={0,2}")
"""`Y2Fw` is `cap` in base64: every group id that Meta shows is `capi_group:…` (Meta, "Groups API")."""


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
    """The contact without an empty name, because that must not replace one that is known."""
    name, username = contact.name, contact.username
    if (name is None or _says_something(name)) and (username is None or _says_something(username)):
        return contact
    return msgspec.structs.replace(
        contact,
        name=name if name and _says_something(name) else None,
        username=username if username and _says_something(username) else None,
    )


def _says_something(name: str) -> bool:
    """Whether there is a character that is seen; direction marks and the like are not."""
    return any(character.isprintable() and not character.isspace() for character in name)


def is_group(given: str) -> bool:
    """Whether an id is one of a group: no person's has this form."""
    return _GROUP.fullmatch(given) is not None


def recipient(to: str) -> Contact:
    """The one that the `to` of a send request names: a phone number in any notation, a BSUID or a group.

    A BSUID is a country, a dot, and letters and digits (Meta, "Business-scoped user ids"). A group id is base64, and
    has the beginning of Meta's: any other word is a BSUID without its dot, or a name. Raises `ValueError` with a
    sentence for the caller.
    """
    named = to.strip()
    if _BSUID.fullmatch(named):
        return Contact(user_id=named)
    if is_group(named):
        return Contact(group_id=named)
    try:
        return Contact(wa_id=digits_of(named))
    except ValueError as error:
        raise ValueError(f"{error}; {WRITE}") from None


@lru_cache(maxsize=_REMEMBERED)
def contact_of_recipient(to: str) -> Contact:
    """The same without an error: a `to` that names no recipient gives a contact without ids."""
    try:
        return recipient(to)
    except ValueError:
        return Contact()


def contact_key(phone_number_id: str, contact: Contact) -> str:
    """The Kafka key of a contact's records: its strongest id beside the business number.

    Order is per key, so one person's messages stay in one partition.
    """
    aliases = contact.aliases()
    return f"{phone_number_id}:{aliases[0]}" if aliases else phone_number_id
