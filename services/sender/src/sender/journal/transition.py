"""The only ways in which an entry of the journal may change.

Every change is a compare-and-set on `token`, which is new with each change: a decision is recorded only while the entry
that it was based on still stands. So a process that was paused, and has lost its partitions, cannot overwrite the
entries of the next owner.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from common.contracts.journal import Entry, State

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
