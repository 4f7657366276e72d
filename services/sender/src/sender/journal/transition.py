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


class Transition(msgspec.Struct, frozen=True):
    """The wish that `entry` replaces the one whose token is `expected` (None: that there is none yet)."""

    entry: Entry
    expected: str | None
    before: State | None = None

    def __post_init__(self) -> None:
        """A move that the table does not allow is a bug, to be found where it is made."""
        if self.entry.state not in TRANSITIONS[self.before]:
            raise ValueError(f"a send that is {self.before or 'new'} cannot become {self.entry.state}")

    @property
    def won(self) -> str:
        """The token by which the store's answer shows that this move took place."""
        return self.entry.token
