"""What to change so that a collection has its declared indexes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from common.mongo.schema import Collection, Index

_TOLD: Final = ("unique", "sparse", "partialFilterExpression", "expireAfterSeconds")

Present = Mapping[str, Mapping[str, Any]]
"""The indexes that are there, by name, as the driver's `index_information` tells of them."""


class Standing(StrEnum):
    """How an index stands beside its declaration."""

    AS_DECLARED = "as declared"
    MISSING = "missing"
    OTHER = "other than declared"
    KEPT_OTHERWISE = "kept for another time than declared"
    UNDECLARED = "not declared"


class Action(StrEnum):
    """What a change does. A replacement builds the new index before it drops the old one."""

    CREATE = "create"
    REPLACE = "replace"
    KEEP = "change how long documents are kept"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a collection. `name` is what is created or dropped; `old` is what a replacement drops."""

    action: Action
    name: str
    index: Index | None = None
    old: str | None = None


def changes(collection: Collection, present: Present, keep: timedelta | None = None) -> list[Change]:
    """The changes that are needed, in their order. None: everything is as declared.

    An index counts as there under any name, because a replacement cannot have the name of what it replaces. `keep` is
    the owner's setting of how long documents stay; without it the time of an index that is there is left as it is.
    """
    wanted: list[Change] = []
    for declared in collection.indexes:
        lives = declared.expire_after is not None
        index = replace(declared, expire_after=keep) if lives and keep else declared
        name = found(index, present)
        if name is None and index.name in present:
            wanted.append(Change(Action.REPLACE, _free_name(index.name, present), index, index.name))
        elif name is None:
            wanted.append(Change(Action.CREATE, index.name, index))
        elif keep is not None and standing(index, present[name]) is Standing.KEPT_OTHERWISE:
            wanted.append(Change(Action.KEEP, name, index))
    return wanted + [Change(Action.DROP, name) for name in collection.retired if name in present]


def found(index: Index, present: Present) -> str | None:
    """The name under which an index is there, perhaps with another time; its own name first."""
    names = sorted(present, key=lambda name: (name != index.name, name))
    same = (name for name in names if standing(index, present[name]) is not Standing.OTHER)
    return next(same, None)


def standing(index: Index, there: Mapping[str, Any] | None) -> Standing:
    """How what is there stands beside this declaration."""
    if there is None:
        return Standing.MISSING
    told = {name: there[name] for name in _TOLD if name in there}
    wanted = index.options()
    keys = [(name, order if isinstance(order, str) else int(order)) for name, order in there["key"]]
    if list(index.keys) != keys:
        return Standing.OTHER
    if told == wanted:
        return Standing.AS_DECLARED
    lives = "expireAfterSeconds"
    if lives in told and lives in wanted and {**told, lives: None} == {**wanted, lives: None}:
        return Standing.KEPT_OTHERWISE
    return Standing.OTHER


def standings(collection: Collection, present: Present) -> dict[str, Standing]:
    """Every index of the collection, declared or there, by name."""
    told: dict[str, Standing] = {}
    for index in collection.indexes:
        name = found(index, present)
        told[name or index.name] = standing(index, present.get(name or index.name))
    unknown = {name: Standing.UNDECLARED for name in present if name not in told and name != "_id_"}
    return told | unknown


def _free_name(name: str, present: Present) -> str:
    number = 2
    while f"{name}.{number}" in present:
        number += 1
    return f"{name}.{number}"
