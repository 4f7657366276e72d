"""The journal of sends: one entry per (chatbot id, message id), and the only ways in which it may change.

An entry is written before Meta is called and again when the call has ended, so that whoever reads it knows whether
Meta can have the message. Every change is a compare-and-set on `token`, which is new with each change: a decision is
recorded only while what it was based on still stands. That is also the fence against a process that was paused, lost
its partitions and comes back.
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
    """How a send stands."""

    CLAIMED = "claimed"
    """Somebody is calling Meta, or died while doing so."""
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
    """Its producer did not want it any more."""


ENDED: Final = frozenset({State.ACCEPTED, State.FAILED, State.EXPIRED, State.CANCELLED})

_WAITED: Final = frozenset(
    {State.CLAIMED, State.DEFERRED, State.ACCEPTED, State.FAILED, State.EXPIRED, State.CANCELLED}
)

TRANSITIONS: Final[Mapping[State | None, frozenset[State]]] = MappingProxyType(
    {
        # What was never tried is deferred where Meta refuses its template.
        None: frozenset({State.CLAIMED, State.DEFERRED, State.FAILED, State.EXPIRED, State.CANCELLED}),
        # A claim is claimed again only where a second call does no harm (mark as read).
        State.CLAIMED: frozenset(State),
        # A status may arrive for a call that we took for failed.
        State.RETRYING: _WAITED,
        State.DEFERRED: _WAITED,
        # A new owner begins the window again: nobody listened in between.
        State.IN_DOUBT: frozenset({State.IN_DOUBT, State.CLAIMED, State.ACCEPTED, State.FAILED}),
        # Meta may tell later that it failed all the same.
        State.ACCEPTED: frozenset({State.ACCEPTED}),
        # An operator's replay of a dead letter; a status that comes after all leaves its wamid.
        State.FAILED: frozenset({State.RETRYING, State.FAILED}),
        State.EXPIRED: frozenset(),
        State.CANCELLED: frozenset(),
    }
)
"""From each state (None: no entry yet) to those that may follow. Ends are final, but for dead letters.

An end that follows itself only learns more: a wamid, or that Meta reports a failure.
"""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One send. `attempt` counts the calls that count; `owner` is the session that wrote it; `at` is when.

    `due` is when a retry is due or a doubt may be given up, `doubted_at` when the doubt arose. `letter` says that the
    end belongs in the dead-letter queue. `replays` counts how often an operator had a dead letter sent again; `attempt`
    begins anew with each. `message_status` is Meta's word in its answer. `apart` names the template or kind that Meta
    refuses, and because of which it waits beside its conversation. `digest` tells the content apart from another that
    comes under the same message id. `template` names the template that it is, if it is one. `failure` is what Meta
    reported later, at `failed_at`, of a message that it had accepted; a report that the message was delivered takes it
    back.
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
        """Whether nothing will change any more."""
        return self.state in ENDED


class Transition(msgspec.Struct, frozen=True):
    """The wish that `entry` replaces the one whose token is `expected` (None: that there is none yet)."""

    entry: Entry
    expected: str | None
    before: State | None = None

    def __post_init__(self) -> None:
        """A transition that the table does not allow is a bug, to be found where it is made."""
        if self.entry.state not in TRANSITIONS[self.before]:
            raise ValueError(f"a send that is {self.before or 'new'} cannot become {self.entry.state}")

    @property
    def won(self) -> str:
        """The token by which the store's answer shows that this transition took place."""
        return self.entry.token
