"""One document of `send_journal`: its states and fields, for its writers (sender, `wa journal`, `wa erase`).

There is one entry per (chatbot id, message id). An entry is written before Meta is called and again when the call has
ended, so that every reader knows whether Meta can have the message. The sender alone decides how it changes
(`sender.journal.transition`).
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from common.contracts.contacts import Contact
from common.contracts.messages import MetaError


class State(StrEnum):
    """The state of a send."""

    CLAIMED = "claimed"
    """A session is calling Meta, or died while it did."""
    RETRYING = "retrying"
    """The call failed and counts; the next one is due at `due`."""
    DEFERRED = "deferred"
    """The call did not count (throttled, number paused, Meta unreachable)."""
    IN_DOUBT = "in_doubt"
    """Meta may have the message; a status can settle it until `due`."""
    ACCEPTED = "accepted"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    """Its producer cancelled it."""


UNDER_WAY: Final = frozenset({State.CLAIMED, State.IN_DOUBT})
"""Meta may have the message."""

WAITING: Final = frozenset({State.RETRYING, State.DEFERRED})
"""Meta does not have it; it can still be cancelled."""

ENDED: Final = frozenset({State.ACCEPTED, State.FAILED, State.EXPIRED, State.CANCELLED})

OPERATORS: Final = "operators"
"""The `owner` of an entry that the command line wrote."""

EXPIRE_AT: Final = "expireAt"
"""When an entry that has ended is removed; until then its message id is not sent again."""

ERASED_AT: Final = "erasedAt"
"""When `wa erase` removed the person from the entry."""

OPTED_OUT_LANE: Final = "optedOut"
"""The lane of the person, in an entry that Meta refused because they stopped marketing messages."""

OPTED_OUT_AT: Final = "optedOutAt"


class Entry(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One send. `owner` is the session that wrote the entry, at the time `at`.

    - `attempt` is the number of calls that count. It restarts with each of the `replays` by an operator.
    - `due` is when a retry is due or a doubt may be given up; `doubted_at` is when the doubt began.
    - `letter`: the end belongs in the dead-letter queue.
    - `message_status` is that of Meta's answer.
    - `apart` is the template or kind that Meta refuses; because of it the send waits beside its conversation.
    - `digest` distinguishes the content from another one with the same message id.
    - `template` names its template, if it is a template message.
    - `failure` is what Meta reported at `failed_at` about a message that it had accepted. A later report that the
      message was delivered removes it.
    """

    id: str = msgspec.field(name="_id")
    state: State
    attempt: int
    token: str
    owner: str
    at: datetime
    created_at: datetime
    chatbot_id: str
    message_id: str
    to: str
    phone_number_id: str | None = None
    due: datetime | None = None
    doubted_at: datetime | None = None
    first_failed_at: datetime | None = None
    wamid: str | None = None
    message_status: str | None = None
    contact: Contact | None = None
    error: MetaError | None = None
    letter: bool = False
    replays: int = 0
    apart: str = ""
    digest: str | None = None
    failure: MetaError | None = None
    failed_at: datetime | None = None
    template: str = ""

    @property
    def ended(self) -> bool:
        """Whether the send has ended."""
        return self.state in ENDED


_OF_ENTRY: Final = [field.encode_name for field in msgspec.structs.fields(Entry)]

FIELDS: Final = frozenset([*_OF_ENTRY, EXPIRE_AT, ERASED_AT, OPTED_OUT_LANE, OPTED_OUT_AT])
"""Every field that a document may have."""

_TIMES: Final = (datetime,)


def to_document(entry: Entry, **more: object) -> dict[str, Any]:
    """The entry as it is stored, with the fields `more` beside it; those that are None are left out."""
    document: dict[str, Any] = msgspec.to_builtins(entry, builtin_types=_TIMES)
    document.update({name: value for name, value in more.items() if value is not None})
    return document


def from_document(document: Mapping[str, Any]) -> Entry:
    """The entry of a stored document."""
    return msgspec.convert(document, Entry)
