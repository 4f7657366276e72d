"""What MongoDB does for one command: the steps of its plan, and how much it looks at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo import MongoClient

EXPLAINED: Final = frozenset({"find", "aggregate", "count", "distinct", "update", "delete", "findAndModify"})
_PARTS: Final = {"update": "updates", "delete": "deletes"}
_OF_THE_SESSION: Final = frozenset(
    {"lsid", "txnNumber", "startTransaction", "autocommit", "writeConcern", "readConcern", "comment"}
)
_PARTS_AT_MOST: Final = 30
"""Parts of one bulk write that are explained."""

_NO_INDEX: Final = "-"


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one command. `returned` are the documents that it gives or changes, before a group or a sum."""

    collection: str
    stages: frozenset[str]
    indexes: tuple[str, ...]
    documents: int
    keys: int
    returned: int

    @property
    def faults(self) -> frozenset[str]:
        """What keeps it from being bounded: it looks through a collection, sorts, or looks at more than it gives."""
        found = {"COLLSCAN", "SORT"} & self.stages
        return frozenset(found | ({"documents"} if self.documents > 2 * self.returned + 1 else set()))

    @property
    def index(self) -> str:
        """The indexes that it reads."""
        return ", ".join(self.indexes) or _NO_INDEX


def explain(client: MongoClient[dict[str, Any]], database: str, command: Mapping[str, Any]) -> list[Plan]:
    """The plans of a command, each part of a bulk write apart. It is run for that, and writes nothing."""
    kind, collection = next(iter(command.items()))
    plain = {name: v for name, v in command.items() if name not in _OF_THE_SESSION and not name.startswith("$")}
    if not isinstance(collection, str):
        return []  # an aggregation of no collection
    return [_plan(kind, collection, client[database].command("explain", one)) for one in _parts(kind, plain)]


def _parts(kind: str, command: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if kind not in _PARTS:
        yield command
        return
    for part in command[_PARTS[kind]][:_PARTS_AT_MOST]:
        yield {**command, _PARTS[kind]: [part]}


def _plan(kind: str, collection: str, said: Mapping[str, Any]) -> Plan:
    stats = said.get("executionStats") or said["stages"][0]["$cursor"]["executionStats"]
    steps = list(_steps(stats["executionStages"])) + list(_steps(said.get("stages", ())))
    stages = frozenset(step["stage"] for step in steps)
    returned = max([stats["nReturned"], *(step.get(name, 0) for step in steps for name in _CHANGED)])
    return Plan(
        collection,
        stages,
        tuple(dict.fromkeys(filter(None, map(_index_of, steps)))),
        stats["totalDocsExamined"],
        stats["totalKeysExamined"],
        # MongoDB counts each document that a value was taken from, unless it goes through the values of an index.
        0 if kind == "distinct" and "DISTINCT_SCAN" not in stages else returned,
    )


_CHANGED: Final[Sequence[str]] = ("nMatched", "nWouldDelete", "nWouldUpdate")


def _index_of(step: Mapping[str, Any]) -> str | None:
    if "indexName" in step:
        return str(step["indexName"])
    return "_id_" if step["stage"] in {"IDHACK", "CLUSTERED_IXSCAN"} else None


def _steps(part: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(part, Mapping):
        if isinstance(part.get("stage"), str):
            yield part
        for name, value in part.items():
            if name not in ("rejectedPlans", "command", "queryPlanner"):
                yield from _steps(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _steps(value)
