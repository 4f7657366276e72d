"""Reading what is not as documented: fields of another type, and texts that are no Unicode."""

import json
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contracts.messages import MetaError
from common.meta.broken_text import kept_text, marked, readable, shown_text
from common.meta.lenient import CUT, Lenient
from common.meta.payloads import failure_key, meta_error


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    name: str | None = None


class Thing(msgspec.Struct, rename={"sender": "from"}):
    id: str
    sender: str | None = None
    time: int | None = None
    parts: list[msgspec.Raw] | None = None
    inner: Inner | None = None


thing = Lenient(Thing)


class Limited(msgspec.Struct):
    id: Annotated[str, msgspec.Meta(max_length=3)]
    other: Annotated[str, msgspec.Meta(max_length=3)] | None = None
    name: Annotated[str, msgspec.Meta(max_length=3, extra=CUT)] | None = None


@pytest.mark.parametrize(
    ("raw", "expected", "complete"),
    [
        (b'{"id":"123","other":"123","name":"123"}', Limited("123", "123", "123"), True),
        (b'{"id":"1","other":"1234","name":"1"}', Limited("1", None, "1"), False),
        (b'{"id":"1","other":"1","name":"\\u0041234"}', Limited("1", "1", "A23"), False),
        (b'{"id":"1","name":12345}', Limited("1", None, "123"), False),
        (b'{"id":"1","name":["1234"]}', Limited("1"), False),
    ],
)
def test_a_text_that_is_too_long_is_cut_or_absent(raw, expected, complete):
    assert Lenient(Limited).read(raw) == (expected, complete)


@pytest.mark.parametrize("raw", [b'{"id":"1234"}', b'{"id":1234}', b'{"id":"1234","name":"1234"}'])
def test_a_required_text_that_is_too_long_is_not_understood(raw):
    with pytest.raises(msgspec.ValidationError, match="`id` is missing or cannot be parsed"):
        Lenient(Limited).read(raw)


@pytest.mark.parametrize(
    ("raw", "expected", "complete"),
    [
        (b'{"id":"1","x":2}', Thing("1"), True),
        (b'{"id":1}', Thing("1"), True),
        (b'{"id":15551230001.0}', Thing("15551230001"), True),
        (b'{"id":1.5e10}', Thing("15000000000"), True),
        (b'{"id":1e300}', Thing("1e300"), True),
        (b'{"id":123456789012345678901234567890}', Thing("123456789012345678901234567890"), True),
        (b'{"id":"1","from":true}', Thing("1"), False),
        (b'{"id":"1","time":"17"}', Thing("1", time=17), True),
        (b'{"id":"1","time":17.9}', Thing("1", time=17), True),
        (b'{"id":"1","time":"soon"}', Thing("1"), False),
        (b'{"id":"1","time":null,"from":[]}', Thing("1"), False),
        (b'{"id":1,"time":null}', Thing("1"), True),
        (b'{"id":"1","inner":{"name":3}}', Thing("1", inner=Inner("3")), True),
        (b'{"id":"1","inner":{"name":"a","more":3}}', Thing("1", inner=Inner("a")), False),
        (b'{"id":"1","inner":[]}', Thing("1"), False),
        (b'{"id":"1","inner":[{"name":"a"}]}', Thing("1", inner=Inner("a")), True),
        (b'{"id":"1","inner":[{"name":"a","more":3}]}', Thing("1", inner=Inner("a")), False),
        (b'{"id":"1","inner":[{"name":"a"},{"name":"b"}]}', Thing("1"), False),
        (b'{"id":"1","inner":[[{"name":"a"}]]}', Thing("1"), False),
        (b'{"id":"1","inner":["a"]}', Thing("1"), False),
        (b'{"id":"\xff","from":2}', Thing("\ufffd", "2"), False),
    ],
)
def test_each_field_is_read_by_itself(raw, expected, complete):
    assert thing.read(raw) == (expected, complete)
    assert thing.decode(raw) == expected


def test_an_object_is_the_only_item_of_a_list():
    (part,) = thing.decode(b'{"id":"1","parts":{"a":1}}').parts
    assert bytes(part) == b'{"a":1}'


@pytest.mark.parametrize("raw", [b"{}", b'{"id":null}', b'{"id":[]}', b"17", b"[]", b"null", b"{", b'{"id":"\\ud800"}'])
def test_what_is_no_object_or_lacks_what_is_required_is_refused(raw):
    with pytest.raises(msgspec.DecodeError):
        thing.decode(raw)


@pytest.mark.parametrize(
    ("errors", "key"),
    [
        (None, ""),
        ([], ""),
        ({}, "?"),
        ("bad", ""),
        ([{"code": 1}], "1"),
        ([{"code": "1"}, {"title": "t"}, 3, {"code": 4}], "1+t+3"),
        ({"code": 131026.0}, "131026"),
        ([{"title": "x" * 5000}], "x" * 100),
    ],
)
def test_what_tells_one_failure_from_another(errors, key):
    assert failure_key(msgspec.Raw(json.dumps(errors).encode())) == key
    assert failure_key(msgspec.Raw()) == ""


def test_an_error_of_meta_s():
    raw = b'{"code":"131026","title":"t","error_data":{"details":"d"}}'
    assert meta_error(msgspec.Raw(raw)) == MetaError(code=131026, title="t", details="d")
    assert meta_error(msgspec.Raw(b"9" * 500)).code is None


PIECES = st.sampled_from(
    [rb"\ud83d", rb"\uDE00", rb"\ud83d\ude00", rb"\\", rb"\n", rb"\/", b"ud83d", b"x", "é😀".encode(), rb"\u0041"]
)


@given(st.lists(PIECES, max_size=8))
def test_only_lone_surrogates_are_replaced(pieces):
    raw = b'"' + b"".join(pieces) + b'"'
    expected = json.loads(raw).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert msgspec.json.decode(readable(raw)) == expected
    assert json.loads(shown_text(kept_text(raw))) == expected
    found = marked(raw)
    assert (found is None) == ("\ufffd" not in expected)
    if found is not None:
        assert found.original(found.body) == raw
        msgspec.json.Decoder(msgspec.Raw).decode(found.body)


@given(st.binary(max_size=30))
def test_any_bytes_are_shown_and_kept(data):
    readable(data).decode()
    kept_text(data).encode()
    found = marked(data + rb"\udc00")
    assert found is None or found.original(found.body) == data + rb"\udc00"
