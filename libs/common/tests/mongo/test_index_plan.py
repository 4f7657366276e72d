"""What has to change for a collection to have its declared indexes."""

from datetime import timedelta

import pytest

from common.mongo.index_plan import Action, Change, Standing, changes, standings
from common.mongo.schema import Collection, Index

DAY = timedelta(days=1)
PLAIN = Index("plain", (("a", 1), ("b", -1)))
UNIQUE = Index("unique", (("c", 1),), unique=True, only={"c": {"$exists": True}})
KEPT = Index("kept", (("at", 1),), expire_after=30 * DAY)
HASHED = Index("hashed", (("w", "hashed"),))


def collection(*indexes, retired=()):
    return Collection("things", owner="x", purpose="", kept="", people=False, indexes=indexes, retired=retired)


def there(index, **other):
    """An index as MongoDB tells of it."""
    keys = [(name, order if isinstance(order, str) else float(order)) for name, order in index.keys]
    return {"v": 2, "key": keys, **index.options(), **other}


def test_what_is_as_declared_needs_no_change():
    present = {index.name: there(index) for index in (PLAIN, UNIQUE, KEPT, HASHED)} | {"_id_": {"key": [("_id", 1)]}}
    assert changes(collection(PLAIN, UNIQUE, KEPT, HASHED), present) == []
    told = standings(collection(PLAIN, UNIQUE, KEPT, HASHED), present)
    assert told == dict.fromkeys(("plain", "unique", "kept", "hashed"), Standing.AS_DECLARED)


def test_what_is_missing_is_created_and_what_is_retired_is_dropped_at_last():
    present = {"former": there(HASHED)}
    wanted = changes(collection(PLAIN, UNIQUE, retired=("former", "gone")), present)
    assert wanted == [
        Change(Action.CREATE, "plain", PLAIN),
        Change(Action.CREATE, "unique", UNIQUE),
        Change(Action.DROP, "former"),
    ]


@pytest.mark.parametrize(
    "other",
    [
        there(Index("plain", (("a", 1),))),
        there(Index("plain", (("b", -1), ("a", 1)))),
        there(Index("plain", (("a", 1), ("b", 1)))),
        there(Index("plain", PLAIN.keys, unique=True)),
        there(Index("plain", PLAIN.keys, sparse=True)),
        there(Index("plain", PLAIN.keys, only={"a": 1})),
        there(Index("plain", (("a", "hashed"),))),
        there(Index("plain", (("a", 1),), expire_after=DAY)),
    ],
)
def test_another_definition_of_the_same_name_is_replaced_by_one_that_is_built_first(other):
    (change,) = changes(collection(PLAIN), {"plain": other})
    assert change == Change(Action.REPLACE, "plain.2", PLAIN, "plain")
    (change,) = changes(collection(PLAIN), {"plain": other, "plain.2": other})
    assert change.name == "plain.3"
    assert standings(collection(PLAIN), {"plain": other}) == {"plain": Standing.OTHER}


def test_an_index_is_there_under_any_name():
    present = {"plain.2": there(PLAIN), "extra": there(HASHED)}
    assert changes(collection(PLAIN), present) == []
    assert standings(collection(PLAIN), present) == {
        "plain.2": Standing.AS_DECLARED,
        "extra": Standing.UNDECLARED,
    }


def test_its_own_name_is_taken_before_another():
    present = {"a": there(PLAIN), "plain": there(PLAIN)}
    assert standings(collection(PLAIN), present) == {"plain": Standing.AS_DECLARED, "a": Standing.UNDECLARED}


@pytest.mark.parametrize(("keep", "days"), [(None, None), (3 * DAY, 3), (30 * DAY, 30), (7 * DAY, None)])
def test_only_the_owner_says_how_long_documents_stay(keep, days):
    wanted = changes(collection(KEPT), {"kept": there(KEPT, expireAfterSeconds=7 * 86_400)}, keep)
    assert [change.index.expire_after.days for change in wanted] == ([days] if days else [])
    assert {change.action for change in wanted} <= {Action.KEEP}
    assert {change.name for change in wanted} <= {"kept"}
