"""What BSON cannot hold is refused in every open place of every kind of message, by its path; all else is taken."""

import copy

import bson
import msgspec
import pytest
from bson.codec_options import CodecOptions

from common.contracts.storable import unstorable
from common.mongo.client import _TYPES

BAD = {
    "2**63": 2**63,
    "-2**63-1": -(2**63) - 1,
    "10**400": 10**400,
    "NUL in a key": {"a\0b": 1},
    "a reference": {"$ref": "x", "$id": 1},
    "$id first": [{"$id": 1, "$ref": "x"}],
    "infinite": float("inf"),
    "torn": ["\ud800"],
}
GOOD = [
    {"a.b": 1, "": 2, "$set": {"$where": 1}, "$": 0, "__proto__": {}, "constructor": [], "_id": 5, "é\u2028": None},
    {"n": [2**63 - 1, -(2**63), 2**53 + 1, 1e308, -0.0, 5e-324, 0.1, True]},
    {"$oid": "x", "$date": 0, "$numberLong": "1"},
    {"empty": {}, "list": [], "nested": [[[]]], "text": "a\0b"} | {"k" * 1_000: "v" * 10_000},
]


def deep(levels, innermost=1):
    value = innermost
    for number in range(levels):
        value = {"in": value} if number % 2 else [value]
    return value


def kinds():
    """A message of every kind that has an open object or list somewhere, and the paths of all its containers."""
    parameters = {"flow_action_payload": {"screen": "A", "data": {"x": {}}}}
    action = {"name": "flow", "parameters": parameters, "sections": [{"rows": [{"id": "1", "title": "t"}]}]}
    yield "text", {"type": "text", "body": "x"}
    yield "interactive", {"type": "interactive", "interactive": {"type": "flow", "action": action}}
    components = [{"type": "button", "parameters": [{"type": "action", "action": {"flow_action_data": {}}}]}]
    yield "template", {"type": "template", "template": {"name": "n", "components": components}}
    yield "contacts", {"type": "contacts", "contacts": [{"name": {"formatted_name": "A"}, "phones": [{}]}]}
    yield "order", {"type": "interactive", "interactive": {"action": {"parameters": {"order": {"items": [{}]}}}}}


def containers(value, path=()):
    yield path
    for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, dict | list):
            yield from containers(inner, (*path, step))


def put(body, path, value):
    """The body with `value` in the container at `path`, and the path of it as it is shown."""
    body = copy.deepcopy(body)
    place = body
    for step in path:
        place = place[step]
    if isinstance(place, dict):
        place["odd"], last = value, "odd"
    else:
        place.append(value)
        last = len(place) - 1
    return body, ".".join(map(str, (*path, last)))


BODIES = [{"chatbotId": "b", "message": message, "metadata": {"a": [{}]}} for _, message in kinds()]
PLACES = [(body, path) for body in BODIES for path in containers(body)]


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_what_cannot_be_stored_is_named_wherever_it_stands(bad):
    assert len(PLACES) > 50
    for body, path in PLACES:
        changed, shown = put(body, path, bad)
        found = unstorable(changed)
        assert found is not None
        assert found.path.startswith(shown)


@pytest.mark.parametrize("good", [*GOOD, deep(90)], ids=["keys", "numbers", "extended", "sizes", "deep"])
def test_what_can_be_stored_is_taken_wherever_it_stands(good):
    for body, path in PLACES:
        changed, _ = put(body, path, good)
        assert unstorable(changed) is None


@pytest.mark.parametrize(("levels", "taken"), [(98, True), (99, True), (100, False), (5_000, False)])
def test_metadata_may_have_98_levels(levels, taken):
    """Its own object is the first of them."""
    assert (unstorable({"metadata": {"in": deep(levels - 1)}}) is None) == taken


def test_a_number_of_more_than_32_bits_is_read_as_one_that_an_event_can_have():
    given = {"n": [2**31, 2**63 - 1, -(2**63), 1]}
    read = bson.decode(bson.encode(given), CodecOptions(type_registry=_TYPES))
    assert msgspec.json.decode(msgspec.json.encode(read)) == given
