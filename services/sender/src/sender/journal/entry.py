"""The journal of sends: one entry per (chatbot id, message id), and the transitions between its states.

**Invariants:**

- An entry is written before Meta is called and again after the call, so its state says whether Meta can have the
  message.
- Every change is a compare-and-set on `token`, which is new with each change. So a decision is recorded only while the
  entry that it was based on is unchanged. This also stops a process that was paused and has lost its partitions.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

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
    """The call did not count (throttled, number paused, Meta away)."""
    IN_DOUBT = "in_doubt"
    """Meta may have the message; a status can settle it until `due`."""
    ACCEPTED = "accepted"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    """Its producer cancelled it."""


ENDED: Final = frozenset({State.ACCEPTED, State.FAILED, State.EXPIRED, State.CANCELLED})

_WAITED: Final = frozenset(
    {State.CLAIMED, State.DEFERRED, State.ACCEPTED, State.FAILED, State.EXPIRED, State.CANCELLED}
)

TRANSITIONS: Final[Mapping[State | None, frozenset[State]]] = MappingProxyType(
    {
        # A send that was never tried is deferred when Meta refuses its template.
        None: frozenset({State.CLAIMED, State.DEFERRED, State.FAILED, State.EXPIRED, State.CANCELLED}),
        # A claim is claimed again only where a second call does no harm (mark as read).
        State.CLAIMED: frozenset(State),
        # A status may arrive for a call that seemed to have failed.
        State.RETRYING: _WAITED,
        State.DEFERRED: _WAITED,
        # A new owner restarts the window, because no session listened in between.
        State.IN_DOUBT: frozenset({State.IN_DOUBT, State.CLAIMED, State.ACCEPTED, State.FAILED}),
        # Meta may report later that the message failed.
        State.ACCEPTED: frozenset({State.ACCEPTED}),
        # An operator replays a dead letter; a late status adds its wamid.
        State.FAILED: frozenset({State.RETRYING, State.FAILED}),
        State.EXPIRED: frozenset(),
        State.CANCELLED: frozenset(),
    }
)
"""The states that may follow each state (None: no entry yet). Ends are final, except for dead letters.

A transition from an end to itself only adds facts: a wamid, or a failure that Meta reports.
"""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
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

    id: str
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


class Transition(msgspec.Struct, frozen=True):
    """A compare-and-set: replace the entry whose token is `expected` (None: there is no entry yet) by `entry`."""

    entry: Entry
    expected: str | None
    before: State | None = None

    def __post_init__(self) -> None:
        """A transition that the table does not allow is a bug; raise where it is made."""
        if self.entry.state not in TRANSITIONS[self.before]:
            raise ValueError(f"a send that is {self.before or 'new'} cannot become {self.entry.state}")

    @property
    def won(self) -> str:
        """The token of the new entry: when the store returns it, this transition took place."""
        return self.entry.token
