"""Whatever the plain way of cutting takes, it cuts as the careful one does."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.contracts import webhooks
from ingress.parsing.core import _cut_body, _cut_plain, cut

NOW = datetime(2026, 11, 1, tzinfo=UTC)

# Mostly as it should be, now and then something else.
broken = st.sampled_from([None, 0, 17, 2**70, 1.5, True, "", "x", [], [17], {}, {"x": []}, {"id": "1"}])
names = st.sampled_from(["1", "2", "", "a", "é\u2028", "\0", '"'])
times = st.sampled_from(["1793525400", 1793525400, 1793525400.5, "soon", 10**30, -1])
foreign = st.sampled_from([None, 1, "x", {"deep": [{"id": "1"}]}])


def rarely(wrong, usual):
    return st.integers(0, 39).flatmap(lambda n: wrong if n == 0 else usual)


def thing(required, optional):
    fields = {name: rarely(broken, inner) for name, inner in {**optional, "foreign": foreign}.items()}
    return st.fixed_dictionaries({name: rarely(broken, inner) for name, inner in required.items()}, optional=fields)


def listed(inner, least=0):
    return st.lists(rarely(broken, inner), min_size=least, max_size=3)


number = thing({}, {"phone_number_id": names, "display_phone_number": names})
person = thing(
    {},
    {
        "wa_id": names,
        "user_id": names,
        "parent_user_id": names,
        "profile": thing({}, {"name": names, "username": names}),
    },
)
message = thing(
    {"id": names},
    {
        "from": names,
        "from_user_id": names,
        "from_parent_user_id": names,
        "group_id": names,
        "timestamp": times,
        "errors": foreign,
    },
)
status = thing(
    {"id": names, "status": st.sampled_from(["sent", "read", "failed"])},
    {
        "recipient_id": names,
        "recipient_user_id": names,
        "recipient_type": st.sampled_from(["group", "individual"]),
        "recipient_participant_id": names,
        "recipient_participant_user_id": names,
        "timestamp": times,
        "errors": foreign,
    },
)
value = thing(
    {"messages": listed(message, 1)},
    {"metadata": number, "contacts": listed(person), "statuses": listed(status), "recipient": number},
) | thing({"statuses": listed(status, 1)}, {"metadata": number, "contacts": listed(person), "errors": st.just([])})
change = thing({"field": rarely(st.just("flows"), st.just("messages")), "value": value}, {})
entry = thing({"changes": listed(change, 1)}, {"id": names | st.integers(0, 2**65), "time": st.integers(0, 2**65)})
bodies = thing({"entry": listed(entry, 1)}, {"object": names})


def agree(body):
    """Whether the plain way takes it; then it has to find what the careful one finds."""
    plain = _cut_plain(body, NOW)
    if plain:
        assert plain == list(_cut_body(body, NOW))
    return bool(plain)


def written(body, indent=None):
    return json.dumps(body, ensure_ascii=False, indent=indent).encode()


def in_value(more, messages=b'[{"id":"w"}]'):
    return b'{"entry":[{"changes":[{"field":"messages","value":{"messages":' + messages + more + b"}}]}]}"


@settings(max_examples=300)
@given(bodies, st.sampled_from([None, 1]))
def test_bodies_in_all_states_are_cut_the_same(body, indent):
    agree(written(body, indent))


@settings(max_examples=300)
@given(bodies, st.data())
def test_bytes_that_were_damaged_are_cut_the_same(body, data):
    whole = written(body)
    at = data.draw(st.integers(0, len(whole)))
    damage = data.draw(st.sampled_from([b"\xff", b"\xed\xa0\x80", b"\0", b'"', b"\\", b" ", b"0", b",", b""]))
    agree(whole[:at] + damage + whole[at + data.draw(st.integers(0, 1)) :])


FIELDS = ["metadata", "recipient", "contacts", "messages", "statuses", "errors", "foreign"]


@settings(max_examples=300)
@given(field=st.sampled_from(FIELDS), wrong=broken, first=st.booleans())
@example(field="recipient", wrong=0, first=False)
def test_any_field_of_a_value_may_be_anything(field, wrong, first):
    """Also one that is there twice."""
    pair = f'"{field}":{json.dumps(wrong)}'.encode()
    body = in_value(b"," + pair)
    if first:
        body = body.replace(b'"value":{', b'"value":{' + pair + b",")
    agree(body)


@pytest.mark.parametrize(
    "body",
    [
        in_value(b""),
        in_value(b',"errors":null'),
        in_value(b',"statuses":null'),
        in_value(b',"statuses":[{"id":"w","status":"sent"},{"id":17},null]'),
        in_value(b"", b'[null,{"id":"w"},17,{"id":"v","text":"\xff"}]'),
        in_value(b',"contacts":[{"wa_id":"1","profile":{"name":"A"}}]', b'[{"id":"w","from":"1"}]'),
        in_value(b',"metadata":{"phone_number_id":"1"},"metadata":{"phone_number_id":"2"}'),
        in_value(b"").replace(b'"messages","value"', b'"mess\\u0061ges","value"'),
        in_value(b"").replace(b'{"changes"', b'{"id":17,"time":2,"changes"'),
        b" \n" + in_value(b"") + b"\t\n",
    ],
)
def test_what_is_plain_is_taken(body):
    assert agree(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'{"entry":null}',
        b'{"entry":[]}',
        b'{"entry":[{"changes":[]}]}',
        in_value(b',"errors":[]'),
        in_value(b',"recipient":0'),
        in_value(b',"errors":[{"code":1}]'),
        in_value(b',"contacts":[null]'),
        in_value(b',"contacts":[{"wa_id":17}]'),
        in_value(b',"contacts":[{"wa_id":"\xff"}]'),
        in_value(b"", b"[]"),
        in_value(b"", b"null"),
        in_value(b"").replace(b'"messages","value"', b'"flows","value"'),
        in_value(b"").replace(b'{"changes"', b'{"id":null,"time":"soon","changes"'),
        in_value(b"") + b"{}",
        in_value(b"")[:-1],
    ],
)
def test_what_is_not_plain_is_left_to_the_careful_way(body):
    assert _cut_plain(body, NOW) == []
    assert cut(body, body_id="b", now=NOW)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (b'{"changes":[{"field":"flows","value":{}}]}', webhooks.CHANGE),
        (b'{"changes":[{"field":"messages","value":{}}]}', webhooks.CHANGE),
        (b'{"changes":[]}', webhooks.UNPARSED),
        (b"{}", webhooks.UNPARSED),
        (b"null", webhooks.UNPARSED),
    ],
)
def test_one_entry_that_is_not_plain_leaves_all_to_the_careful_way(bad, kind, place):
    entries = [in_value(b"")[len(b'{"entry":[') : -2]]
    entries.insert(place, bad)
    body = b'{"entry":[' + b",".join(entries) + b"]}"
    assert _cut_plain(body, NOW) == []
    kinds = [webhooks.MESSAGE]
    kinds.insert(place, kind)
    assert [fact.type for fact in cut(body, body_id="b", now=NOW)] == kinds


def test_deep_bodies_are_cut_the_same():
    for depth in (10, 500, 1_000, 5_000, 100_000):
        agree(in_value(b"", b'[{"id":"w","x":' + b"[" * depth + b"]" * depth + b"}]"))
        agree(in_value(b',"foreign":' + b"[" * depth + b"]" * depth))
