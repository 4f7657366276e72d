"""What lanes are made of: sends, the lanes themselves, and what of them is parked."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from common.contracts.messages import MetaError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be in memory, in counts: by lane, by group, in all, and by one load of a lane or of a backlog.

    `bulk` is the part of a group's room that its campaigns may have, `least` what a group may have when the others have
    filled all of it. `long_seconds` is what wait is a long one, `most_seconds` how long anything
    waits for a group that is refused.
    """

    lane: int = 100
    group: int = 1_000
    total: int = 2_000
    load: int = 20
    chunk: int = 200
    long_seconds: float = 5.0
    most_seconds: float = float("inf")

    @property
    def bulk(self) -> int:
        """Half of the group's."""
        return max(1, self.group // 2)

    @property
    def least(self) -> int:
        """A hundredth of all."""
        return max(1, self.total // 100)


@dataclass(frozen=True, slots=True)
class Wait:
    """What a send waits for, as its producer is told: until `due` (Unix seconds), because of `error`."""

    due: float
    error: MetaError


@dataclass(eq=False, slots=True)
class Item(Generic[T]):
    """One record. `id` names the send: several records may carry the same one, `attempt` says which is the latest.

    A replay has its own `id`, that of its send with `/` and a count behind it; `send` is the same for both.

    `named` is the name that it was sent to, where its lane has another name of the same person.
    `order` is the place in the lane (the offset of the record that first asked for the send). `partition` is None for
    an item that was parked and loaded; `parked` is then the token of the stored copy. `bulk` is a campaign's, which
    nobody waits for; `paced` says that Meta counts it; at `expires` (Unix seconds) nobody wants it any more. `backlog`
    says that it is being parked for want of room. `wait` says why it was deferred, or parked; `told` is the reason of
    which its producer has heard.
    """

    id: str
    lane: str
    group: str
    order: int
    attempt: int
    partition: Hashable
    offset: int
    payload: T
    due: float = 0.0
    strikes: int = 0
    parked: str | None = None
    bulk: bool = False
    paced: bool = True
    backlog: bool = False
    expires: float = float("inf")
    named: str | None = None
    wait: Wait | None = None
    told: str | None = None

    @property
    def send(self) -> str:
        """What its entry in the journal is called; no two records may work on one at a time."""
        return self.id.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Load:
    """The wish to have the first of a lane's parked sends, those whose order is above `after`."""

    lane: str
    after: int
    version: int


@dataclass(frozen=True, slots=True)
class LoadBacklog:
    """The wish to have the next `limit` of a group's backlog: orders above `after`, up to `upto`."""

    group: str
    after: int
    upto: int
    version: int
    limit: int


@dataclass(eq=False, slots=True)
class Tail:
    """What of a lane is parked. `version` changes with everything that is written behind a load's back.

    `bulk` says that all of it is a campaign's; `lowest` is the lowest order that was written since the load began.
    """

    due: float
    after: int
    bulk: bool = True
    writing: int = 0
    loading: bool = False
    version: int = 0
    lowest: float = float("inf")


@dataclass(eq=False, slots=True)
class Lane(Generic[T]):
    name: str
    group: str
    queue: list[Item[T]] = field(default_factory=list)
    busy: Item[T] | None = None
    expected: tuple[str, int] | None = None
    held: bool = False
    ready: bool = False
    tail: Tail | None = None

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for anything of this lane: then all that is before it is urgent, too."""
        return (self.tail is not None and not self.tail.bulk) or any(not item.bulk for item in self.queue)


def is_loadable(tail: Tail | None) -> bool:
    """Whether all of a tail is in the store, and nobody reads it now."""
    return tail is not None and not tail.loading and not tail.writing
