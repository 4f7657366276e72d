"""The list: every query, every place that sends one, and which may look at more than they give, with the reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final

from yardstick.queries.accounting import ACCOUNTING
from yardstick.queries.driver_calls import DriverCall, calls_in
from yardstick.queries.observing import Places, Seen, Watched
from yardstick.queries.operating import OPERATING
from yardstick.queries.plans import Plan
from yardstick.queries.reading import READING
from yardstick.queries.sending import SENDING
from yardstick.queries.storing import STORING
from yardstick.queries.upkeep import UPKEEP

QUERIES: Final = (*READING, *STORING, *SENDING, *ACCOUNTING, *UPKEEP, *OPERATING)

SOURCES: Final = ("common", "ingress", "conversation", "sender", "accounts", "wa")
"""The packages whose queries are listed."""

COLLSCAN: Final = "COLLSCAN"
SORT: Final = "SORT"
DOCUMENTS: Final = "documents"


@dataclass(frozen=True, slots=True)
class Exempt:
    """What a call may do all the same, and why."""

    because: str
    faults: frozenset[str] = frozenset({DOCUMENTS})


_ALL_ACCOUNTS: Final = "it is about all accounts, and there are some thousands at most"
_ANY: Final = "it asks whether there is any, and takes the first"
_ASSIGNMENT: Final = "what waits in one partition, once for each assignment"
_REQUEUED: Final = "all sends that wait, once, after a loss of Kafka"
_STORE: Final = "a method of `AccountStore`"
_FOLLOWER: Final = "a method of `Unfinished`, which reads Kafka"
_SWEEP: Final = "a page of a command that goes through a whole collection, because what it looks for has no index"

_WHOLE: Final = "it goes through a whole collection once, because what it looks for has no index"

EXEMPT: Final[Mapping[str, Exempt]] = MappingProxyType(
    {
        "accounts.store:AccountStore.all:find": Exempt(_ALL_ACCOUNTS, frozenset({COLLSCAN})),
        "accounts.store:AccountStore.with_other_digests:find": Exempt(_ALL_ACCOUNTS),
        "wa.doctor.checks:check_secrets:find": Exempt(_ALL_ACCOUNTS, frozenset({COLLSCAN})),
        "wa.keys:_count:find": Exempt(_ALL_ACCOUNTS, frozenset({COLLSCAN})),
        "conversation.store:ConversationStore._is_used:find_one": Exempt(_ANY, frozenset({COLLSCAN})),
        "sender.journal.forms:DatedIds._is_used:find_one": Exempt(_ANY, frozenset({COLLSCAN})),
        "conversation.read_api.queries:ReadQueries._summed:aggregate": Exempt(
            "a sum of counters, some of each chatbot and day; of the log only until `wa usage rebuild`"
        ),
        "common.mongo.failover.waited_reads:_Copied.aggregate:aggregate": Exempt(
            "the sum of counters, as of a secondary"
        ),
        "sender.journal.store:JournalStore.sent_since:aggregate": Exempt(
            "the sends of the last minutes, once for each assignment"
        ),
        "sender.journal.store:JournalStore.unsettled_among:find": Exempt(
            "the entries of one batch of statuses, by their ids; most of them have ended"
        ),
        "sender.waiting.parked_store:ParkStore.backlogs:aggregate": Exempt(_ASSIGNMENT),
        "wa.erase.finding:Finder.tenant:distinct": Exempt(
            "the conversations of one chatbot, once for each erasure, which then goes through all of them"
        ),
        "wa.erase.sweep:pages:find": Exempt("where a page ends: it passes over 20,000 ids, in the index alone"),
        "wa.erase.finding:Finder._by_index:find": Exempt(_ALL_ACCOUNTS, frozenset({COLLSCAN})),
        "wa.erase.finding:Finder._by_index:find#2": Exempt(
            "of a chatbot with fewer conversations than a person may have names MongoDB reads all, which is quicker"
        ),
        "wa.erase.sweep:matching:find": Exempt(_WHOLE, frozenset({COLLSCAN, DOCUMENTS})),
        "wa.erase.sweep:matching:find#2": Exempt("some hundred documents of it, by their ids"),
        "wa.migrate:count:count_documents": Exempt(_SWEEP, frozenset({COLLSCAN, DOCUMENTS})),
        "wa.migrate:migrate:update_many": Exempt(_SWEEP),
        "wa.partitions.requeue:_parked:find": Exempt(_REQUEUED),
        "wa.partitions.requeue:_scheduled:find": Exempt(_REQUEUED),
        "wa.index_changes:_duplicates:aggregate": Exempt(
            "what stops a unique index has no index yet", frozenset({COLLSCAN})
        ),
    }
)

OTHERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "accounts.routes:_save_route.save_account:find": _STORE,
        "accounts.store:AccountStore.get:find": _STORE,
        "conversation.app:build_apps:find": _FOLLOWER,
        "sender.service:Sender.standings:find": _FOLLOWER,
        "wa.erase.commands:_run:find": "a method of `Finder`",
        "common.mongo.client:Mongo.answers:command": "`ping`",
        "common.mongo.client:Mongo.reachable:command": "`ping`",
        "common.mongo.indexes:make_change:command": "`collMod`, which changes how long documents stay",
        "wa.index_changes:_progress:aggregate": "`$currentOp`, which reads no collection",
    }
)
"""Places that are none of the driver's, or send no query: by name, with what they are."""


def places(packages: Sequence[str] = SOURCES) -> Places:
    """The calls of the driver in these packages."""
    files: dict[Path, Sequence[DriverCall]] = {}
    for package in packages:
        folder = _folder(package)
        for path in sorted(folder.rglob("*.py")):
            module = ".".join([package, *path.relative_to(folder).with_suffix("").parts])
            if calls := calls_in(path.read_text(), module.removesuffix(".__init__")):
                files[path] = calls
    return Places(files)


@dataclass(slots=True)
class Verdict:
    """What is wrong with the list, in words. Empty: nothing."""

    unlisted: list[str] = field(default_factory=list)
    unbounded: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)


def judge(
    calls: Sequence[DriverCall],
    watched: Watched,
    exempt: Mapping[str, Exempt] = EXEMPT,
    others: Mapping[str, str] = OTHERS,
) -> Verdict:
    """Whether each place has run, or is listed as no query; whether each plan is bounded, or exempt.

    And whether each word counts.

    A place that reads has to have been seen with a plan: to be called is not enough.
    """
    names = {call.name for call in calls}
    planned = {seen.call.name for seen in watched.commands if seen.plans}
    ran = {call.name for call in watched.ran if call.name in planned or not call.looks}
    faults: dict[str, set[str]] = {}
    for seen, plan in _plans(watched.commands):
        faults.setdefault(seen.call.name, set()).update(plan.faults)
    verdict = Verdict(unlisted=sorted(names - ran - others.keys()))
    for seen, plan in _plans(watched.commands):
        allowed = exempt[seen.call.name].faults if seen.call.name in exempt else frozenset()
        if plan.faults - allowed:
            verdict.unbounded.append(f"{seen.call.name} on {plan.collection}: {told(plan)}")
    # How many documents it looks at depends on how many there are, so that may be exempt for nothing here.
    unused = [name for name, one in exempt.items() if not one.faults - {DOCUMENTS} <= faults.get(name, set())]
    verdict.stale = sorted([*((exempt.keys() | others.keys()) - names), *(others.keys() & ran), *unused])
    return verdict


def told(plan: Plan) -> str:
    """A plan in a line."""
    steps = ", ".join(sorted(plan.faults))
    return f"{plan.index}: {plan.documents:,} documents looked at for {plan.returned:,} ({steps or 'bounded'})"


def _plans(commands: Sequence[Seen]) -> list[tuple[Seen, Plan]]:
    return [(seen, plan) for seen in commands for plan in seen.plans]


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(package)
    return Path(spec.origin).parent
