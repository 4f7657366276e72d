"""What a successful answer of Meta's says. Pure."""

from typing import Any, Final

import msgspec

from common.contracts.contacts import Contact
from common.meta.broken_text import read_torn
from common.meta.call_ends import Answered
from sender.outcomes import Sent

_MAX_WORD: Final = 64  # characters; Meta's longest `message_status` has 27


def acceptance_of(end: Answered) -> Sent | None:
    """The acceptance that an answer says; None when Meta did not accept the message, or the answer is unreadable."""
    if not 200 <= end.status < 300:
        return None
    try:
        answer = read_torn(end.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    if answer.get("success") is True:
        return Sent(None)
    message = _first(answer, "messages")
    wamid = message.get("id")
    if not isinstance(wamid, str):
        return None
    contact = _contact(_first(answer, "contacts"), _text(message.get("group_id")))
    state = (_text(message.get("message_status")) or "")[:_MAX_WORD] or None
    return Sent(wamid, contact if contact.aliases() else None, state)


def _contact(person: dict[str, Any], group_id: str | None) -> Contact:
    """The recipient in the answer. For a send to a group `wa_id` is the id of the group (Meta, "Groups")."""
    wa_id = (_text(person.get("wa_id")) or "").strip().removeprefix("+") or None
    if group_id is None and wa_id is not None and not wa_id.isdigit():
        group_id = wa_id
    if group_id is not None:
        return Contact(group_id=group_id)
    return Contact(user_id=_text(person.get("user_id")), wa_id=wa_id)


def _first(answer: dict[str, Any], name: str) -> dict[str, Any]:
    items = answer.get(name)
    first = items[0] if isinstance(items, list) and items else None
    return first if isinstance(first, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
