"""A key that comes twice in one JSON object is found, wherever it is and whatever the texts around it have."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender.records.repeated_keys import repeated_key


class Members(tuple):
    """The members of an object, with keys that may come twice."""

    __slots__ = ()


texts = st.text(alphabet='a:"\\/é☎{},', max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(texts, inner), max_size=4).map(Members),
    max_leaves=12,
)


def written(value, colon):
    """JSON of a value. `colon` is how a colon stands in its texts."""
    if isinstance(value, Members):
        return f"{{{', '.join(f'{written(key, colon)} : {written(inner, colon)}' for key, inner in value)}}}"
    if isinstance(value, list):
        return f"[{','.join(written(inner, colon) for inner in value)}]"
    return json.dumps(value, ensure_ascii=False).replace(":", colon)


def has_twice(value):
    if isinstance(value, Members):
        keys = [key for key, _ in value]
        return len(set(keys)) < len(keys) or any(has_twice(inner) for _, inner in value)
    return isinstance(value, list) and any(map(has_twice, value))


@given(values, st.sampled_from([":", "\\u003a", "\\u003A"]))
def test_a_key_is_found_exactly_when_it_comes_twice(value, colon):
    text = written(value, colon).encode()
    assert (repeated_key(text, msgspec.json.decode(text)) is not None) == has_twice(value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b'{"to": "1", "to": "1"}', "to"),
        (b'{"a": {"b": [{"c": 1, "\\u0063": 2}]}}', "c"),  # the same key, written in two ways
        (b'{"k\\u003a": 1, "k:": "\\u003a"}', "k:"),
        (b'{"' + b"x" * 99 + b'": 1, "' + b"x" * 99 + b'": 2}', "x" * 40),
        (b'{"a": ":", "b": {"a": "\\u003a"}}', None),
        (b'{"a": "\\\\u003a"}', None),
    ],
)
def test_which_key_it_is(text, key):
    assert repeated_key(text, msgspec.json.decode(text)) == key


def test_what_is_nested_too_deep_to_be_looked_at_is_left_to_other_rules():
    deep = b'{"a:":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert repeated_key(deep, {}) is None
