"""What a send request may hold so that MongoDB can keep it."""

import bson
import pytest
from bson.codec_options import CodecOptions
from hypothesis import given
from hypothesis import strategies as st

from common.contracts.storable import MAX_DEPTH, MAX_VALUES, unstorable

KEYS = st.one_of(st.text(max_size=6), st.sampled_from(["$ref", "$id", "$db", "a.b", "", "_id", "a\0", "\ud800"]))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(), max_size=6), st.just("\udfff")
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)


@given(st.dictionaries(KEYS, JSON, max_size=4))
def test_what_is_accepted_is_read_back_as_it_was(body):
    if unstorable(body) is None:
        assert bson.decode(bson.encode({"request": body}), CodecOptions())["request"] == body


@given(st.dictionaries(st.text("abc.é", max_size=4), st.integers(-(2**63), 2**63 - 1) | st.text("aé\0$", max_size=4)))
def test_plain_json_is_accepted(body):
    assert unstorable({"metadata": body}) is None


def nested(levels):
    value = {}
    for number in range(levels - 1):
        value = [value] if number % 2 else {"in": value}
    return value if isinstance(value, dict) else {"in": value[0]}


@pytest.mark.parametrize(
    ("bad", "path", "why"),
    [
        ({"a": {"b\0c": 1}}, "a.b\\u0000c", "NUL"),
        ({"a": [1, {"$ref": "x", "$id": 1}]}, "a.1.$ref", "reserves"),
        ({"a": {"$id": 1}}, "a.$id", "reserves"),
        ({"a": {"$db": 1}}, "a.$db", "reserves"),
        ({"a": 2**63}, "a", "64 bits"),
        ({"a": [-(2**63) - 1]}, "a.0", "64 bits"),
        ({"a": float("nan")}, "a", "not finite"),
        ({"a": float("-inf")}, "a", "not finite"),
        ({"a": "x\ud800"}, "a", "surrogate"),
        ({"\udfff": 1}, "\\udfff", "surrogate"),
        ({"a": {1: 2}}, "a.1", "not a text"),
        ({"a": b"x"}, "a", "not JSON"),
        ({"a": [0] * MAX_VALUES}, "a", "more than"),
        ({"a": [[0] * 100] * (MAX_VALUES // 100)}, "a", "more than"),
    ],
)
def test_what_cannot_be_stored_is_named_with_its_path(bad, path, why):
    found = unstorable(bad)
    assert found is not None
    assert found.path.startswith(path)
    assert why in found.reason


def test_depth_is_bounded_and_needs_no_recursion():
    assert unstorable(nested(MAX_DEPTH)) is None
    too_deep = unstorable(nested(MAX_DEPTH + 1))
    assert too_deep is not None
    assert f"deeper than {MAX_DEPTH}" in too_deep.reason
    assert unstorable(nested(100_000)) is not None


def test_a_long_path_is_shown_shortened():
    found = unstorable({"k" * 900_000: {"l" * 900_000: {"m" * 100: {"n" * 100: {"o" * 100: {"p" * 100: {"\0": 1}}}}}}})
    assert found is not None
    assert len(found.path) == 200
