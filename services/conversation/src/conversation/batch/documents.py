"""Small pieces of documents: absent rather than null."""

from typing import Any, Final

from common.contracts.contacts import Contact, named
from common.contracts.messages import MetaError

Document = dict[str, Any]

_MAX_ERROR_TEXT: Final = 1_000


def present(**fields: object) -> Document:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def contact_document(contact: Contact) -> Document:
    """A contact as it is stored."""
    contact = named(contact)
    return present(
        userId=contact.user_id,
        waId=contact.wa_id,
        groupId=contact.group_id,
        parentUserId=contact.parent_user_id,
        name=contact.name,
        username=contact.username,
    )


def aliases_of(phone_number_id: str | None, *contacts: Contact) -> list[str]:
    """The names by which a conversation is found, per business number: the strongest first, each once."""
    if phone_number_id is None:
        return []
    if len(contacts) == 1:  # nearly always
        return [f"{phone_number_id}|{name}" for name in contacts[0].aliases()]
    names = dict.fromkeys(name for contact in contacts for name in contact.aliases())
    return [f"{phone_number_id}|{name}" for name in names]


def error_document(error: MetaError) -> Document:
    """An error as it is stored; its texts are cut, because each status of a message may bring one."""
    return present(code=error.code, reason=error.reason, title=_cut(error.title), details=_cut(error.details))


def _cut(text: str | None) -> str | None:
    return text[:_MAX_ERROR_TEXT] if text is not None else None
