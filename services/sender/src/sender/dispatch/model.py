"""What lanes are made of: sends, the lanes themselves, and the parked part of each."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from common.contracts.messages import MetaError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many sends may be in memory: per lane, per tenant, in all, and per load of a lane or of a backlog (`chunk`).

    A wait longer than `long_seconds` is spent in the store. A send waits at most `max_hold_seconds` for a tenant that
    Meta refuses.
    """

    lane: int = 100
    tenant: int = 1_000
    total: int = 2_000
    load: int = 20
    chunk: int = 200
    long_seconds: float = 5.0
    max_hold_seconds: float = float("inf")

    @property
    def bulk(self) -> int:
        """A tenant's campaigns may have half of its memory."""
        return max(1, self.tenant // 2)

    @property
    def least(self) -> int:
        """A tenant may have a hundredth of all even when the others have filled the memory."""
        return max(1, self.total // 100)


@dataclass(frozen=True, slots=True)
class Wait:
    """What a send waits for, as its producer is told: until `due` (Unix seconds), because of `error`."""

    due: float
    error: MetaError


@dataclass(eq=False, slots=True)
class Item(Generic[T]):
    """One record. `id` names the send: several records may carry the same one, `attempt` says which is the latest.

    A replay has its own `id`: that of its send, then `/` and a count. `send` is the same for both.

    - `named`: the name that it was sent to, if its lane has another name of the same person.
    - `order`: its place in the lane (the offset of the record that first asked for the send).
    - `partition`: None for an item that was parked and loaded; `parked` is then the token of the stored copy.
    - `bulk`: it belongs to a campaign, so no person waits for it. `paced`: Meta counts it.
    - `expires` (Unix seconds): after this time it is not to be sent.
    - `backlog`: it is being parked because memory is full.
    - `wait`: why it was deferred or parked. `told`: the reason of which its producer was told.
    """

    id: str
    lane: str
    tenant: str
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
        """The id of its journal entry. Two records of one entry are never worked on at the same time."""
        return self.id.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Load:
    """A request to load the first of a lane's parked sends: those whose order is above `after`."""

    lane: str
    after: int
    version: int


@dataclass(frozen=True, slots=True)
class LoadBacklog:
    """A request to load the next `limit` sends of a tenant's backlog: orders above `after`, up to `upto`."""

    tenant: str
    after: int
    upto: int
    version: int
    limit: int


@dataclass(eq=False, slots=True)
class Tail:
    """The parked sends of a lane. `version` changes with each write, so that a load can tell that it is outdated.

    `bulk` says that all of them belong to campaigns. `lowest` is the lowest order written since the load began.
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
    """The sends of one conversation, in order. `held` says that it waits for a hold to end, `ready` for its turn."""

    name: str
    tenant: str
    queue: list[Item[T]] = field(default_factory=list)
    busy: Item[T] | None = None
    expected: tuple[str, int] | None = None
    held: bool = False
    ready: bool = False
    tail: Tail | None = None

    @property
    def urgent(self) -> bool:
        """Whether any of its sends belongs to no campaign: then everything before that send is urgent, too."""
        return (self.tail is not None and not self.tail.bulk) or any(not item.bulk for item in self.queue)


def is_loadable(tail: Tail | None) -> bool:
    """Whether all of a tail is in the store, and no load of it is under way."""
    return tail is not None and not tail.loading and not tail.writing
