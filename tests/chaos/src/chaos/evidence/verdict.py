"""From facts to a verdict: what was lost, doubled, out of order, or never ended. Pure."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from chaos.merging.walk import Merged

_SAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """A customer's message that was delivered to us; `order` is the order in which we took them."""

    phone: str
    wamid: str
    order: int
    at_ms: float


@dataclass(frozen=True, slots=True)
class Event:
    """What a read_committed reader of `incoming-messages` saw, in the order of its partition."""

    wamid: str
    event_id: str
    phone: str
    place: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A message that a phone received in answer to one of its own, in the order of receiving."""

    phone: str
    to_wamid: str
    wamid: str
    at_ms: float
    journal_id: str


@dataclass(frozen=True, slots=True)
class Direct:
    """A send that a producer asked for itself; `order` counts per phone."""

    message_id: str
    phone: str
    order: int


@dataclass(frozen=True, slots=True)
class DirectReceived:
    """A message that a phone received, in order."""

    message_id: str
    phone: str
    at_ms: float


@dataclass(slots=True)
class Facts:
    """Everything that the witnesses saw. `requested` are journal ids, `ended` how sends ended by journal id, `statuses`
    the last status of each in our store. `halts` are consumers that halted, and processes that are not ready."""

    asked: Sequence[Asked]
    events: Sequence[Event]
    replies: Sequence[Reply]
    directs: Sequence[Direct]
    directs_received: Sequence[DirectReceived]
    requested: set[str]
    ended: dict[str, str]
    statuses: dict[str, str]
    secrets_in_logs: Sequence[str] = ()
    halts: Sequence[str] = ()
    merged: Merged | None = None


@dataclass(slots=True)
class Count:
    """How often something went wrong, with the ids of the first few."""

    count: int = 0
    samples: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, found: Iterable[str]) -> "Count":
        """Count what was found."""
        names = list(found)
        return cls(len(names), names[:_SAMPLES])


@dataclass(slots=True)
class Verdict:
    """What went wrong, by kind."""

    messages: int
    breaches: dict[str, Count]

    def total(self, *starts: str) -> int:
        """The breaches whose kind starts with this."""
        return sum(count.count for name, count in self.breaches.items() if name.startswith(starts))

    @property
    def lost(self) -> int:
        """Messages without an event or a reply, and sends that no phone received."""
        return self.total("lost")

    @property
    def doubled(self) -> int:
        """Events, replies and sends that came more than once."""
        return self.total("doubled")

    @property
    def out_of_order(self) -> int:
        """Events, replies and sends that overtook another of their customer."""
        return self.total("out of order")

    @property
    def unsettled(self) -> int:
        """Sends that have not ended, and received messages whose status is not final."""
        return self.total("unsettled")

    @property
    def halted(self) -> int:
        """How often a consumer stopped because of what it read, and processes that are not ready at the end."""
        return self.total("halted")

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return not self.total("")


def judge(facts: Facts) -> Verdict:
    """The verdict of a run."""
    asked = [(a.phone, a.wamid) for a in facts.asked]
    events = [(e.phone, e.wamid) for e in facts.events]
    replies = [(r.phone, r.to_wamid) for r in facts.replies]
    wanted = [(d.phone, d.message_id) for d in sorted(facts.directs, key=lambda d: d.order)]
    received = [(d.phone, d.message_id) for d in facts.directs_received]
    known = {wamid for _, wamid in asked}
    breaches = {
        "lost events": _missing(asked, [e for e in events if e[1] in known]),
        "lost replies": _missing(asked, replies),
        "lost sends": _missing(wanted, received),
        "doubled events": _repeated([e.wamid for e in facts.events]),
        "doubled replies": _repeated([r.to_wamid for r in facts.replies]),
        "doubled sends": _repeated([d.message_id for d in facts.directs_received]),
        "out of order events": _swapped(asked, events),
        "out of order replies": _swapped(asked, replies),
        "out of order sends": _swapped(wanted, received),
        "unsettled sends": Count.of(sorted(facts.requested - facts.ended.keys())),
        "unsettled failures": Count.of(f"{j} {end}" for j, end in facts.ended.items() if end != "send.accepted"),
        "unsettled statuses": Count.of(
            f"{j} {facts.statuses.get(j)}"
            for j, end in facts.ended.items()
            if end == "send.accepted" and facts.statuses.get(j) != "read"
        ),
        "secrets in logs": Count.of(facts.secrets_in_logs),
        "halted consumers": Count.of(facts.halts),
        **(_of_merge(facts.merged) if facts.merged else {}),
    }
    return Verdict(len(asked) + len(wanted), breaches)


def _of_merge(merged: Merged) -> dict[str, Count]:
    return {
        "lost in threads": Count.of(merged.lost),
        "doubled in threads": Count.of(merged.doubled),
        "out of order in threads": Count.of(merged.swapped),
        "unsettled merges": Count.of(merged.unfinished),
    }


def _missing(wanted: Sequence[tuple[str, str]], found: Sequence[tuple[str, str]]) -> Count:
    there = {name for _, name in found}
    return Count.of(name for _, name in wanted if name not in there)


def _repeated(names: Sequence[Hashable]) -> Count:
    return Count.of(f"{name}, {times} times" for name, times in Counter(names).items() if times > 1)


def _swapped(wanted: Sequence[tuple[str, str]], found: Sequence[tuple[str, str]]) -> Count:
    """Neighbours, in order of first arrival, that are in the wrong order for their customer."""
    place = {name: index for index, (_, name) in enumerate(wanted)}
    owner = {name: phone for phone, name in wanted}
    by_phone: dict[str, list[str]] = defaultdict(list)
    seen: set[str] = set()
    for _, name in found:
        if name in place and name not in seen:
            seen.add(name)
            by_phone[owner[name]].append(name)
    return Count.of(
        f"{second} before {first}"
        for names in by_phone.values()
        for second, first in pairwise(names)
        if place[second] > place[first]
    )
