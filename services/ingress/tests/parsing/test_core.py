"""Signed bodies that are not what they should be: nothing is refused, nothing is lost, no neighbour is harmed."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contracts import webhooks
from common.contracts.envelope import decode, decoder
from common.contracts.ids import random_id
from ingress.parsing.core import cut
from ingress.parsing.fragments import MOST_LEVELS
from ingress.records import records
from ingress.telemetry import begin

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
GOOD = b'{"id":"wamid.GOOD","from":"15551230001","timestamp":"1793525400","type":"text","text":{"body":"Hi"}}'
received = decoder(webhooks.WebhookReceived)


def entry(*changes):
    return b'{"id":"100000000000001","changes":[' + b",".join(changes) + b"]}"


def change(value, field=b'"messages"'):
    return b'{"field":' + field + b',"value":' + value + b"}"


def value(*messages, more=b""):
    return b'{"metadata":{"phone_number_id":"200000000000001"},"messages":[' + b",".join(messages) + b"]" + more + b"}"


def body(*entries):
    return b'{"object":"whatsapp_business_account","entry":[' + b",".join(entries) + b"]}"


def cut_and_read_back(data):
    """Facts of `data`, after their records have been written and read as consumers do, strictly."""
    facts = cut(data, body_id="b", now=NOW)
    events = [decode(received, record.value) for record in records(data, begin(random_id(), None), now=NOW)]
    for record in records(data, begin(random_id(), None), now=NOW):
        json.loads(record.value.decode(), parse_int=str)
    assert [event.id for event in events] == [fact.id for fact in facts]
    return facts, [event.data for event in events]


def kept(data):
    """The bytes that a record keeps."""
    if data.raw_base64 is not None:
        assert data.reason is None or not bytes(data.raw)
        return base64.b64decode(data.raw_base64, validate=True)
    return bytes(data.raw)


WHOLE = {
    "nothing": b"",
    "blank": b" \r\n\t",
    "not JSON": b"hello=world",
    "half a body": body(entry(change(value(GOOD))))[:-7],
    "two bodies": body() + body(),
    "invalid UTF-8 before the JSON": b"\xff" + body(entry(change(value(GOOD)))),
    "UTF-16": body(entry(change(value(GOOD)))).decode().encode("utf-16"),
    "NUL": b"\0" * 100,
    "NUL in a string": body(entry(change(value(GOOD.replace(b"Hi", b"H\0i"))))),
    "a lone surrogate outside of a text": body(entry(change(value(GOOD)))) + b"\\ud800",
    "an array": b"[]",
    "a string": b'"whatsapp"',
    "a number": b"17",
    "true": b"true",
    "null": b"null",
    "an empty object": b"{}",
    "entry is null": b'{"entry":null}',
    "entry is a text": b'{"entry":"x"}',
    "entry is empty": b'{"object":"whatsapp_business_account","entry":[]}',
    "arrays without end": b"[" * 1_500_000,
    "objects without end": b'{"entry":' * 150_000,
    "deep but closed": b"[" * 100_000 + b"]" * 100_000,
    "deep without an end": body(entry(change(value(GOOD, b'{"id":"wamid.DEEP","x":' + b"[" * 50_000)))),
    "a huge number": b"9" * 1_000_000,
    "a huge exponent": b'{"entry":1e999999}',
}


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_a_body_that_is_not_understood_is_kept_whole(data):
    (fact,), (read,) = cut_and_read_back(data)
    assert fact.type == webhooks.UNPARSED
    assert kept(read) == data
    assert read.reason
    assert (fact.key, fact.occurred_at) == ("unknown", NOW)
    assert read.arrival == webhooks.Arrival(body_id=read.arrival.body_id, body_bytes=len(data), position=0, count=1)


DEEP = b'{"id":"wamid.DEEP","x":"]",' + b'"y":' + b'[{"\\"":[' * 2_000 + b"]}]" * 2_000 + b"}"
PARTS = {
    "an entry that is no object": (body(b"17", entry(change(value(GOOD)))), b"17"),
    "an entry that is null": (body(b"null", entry(change(value(GOOD)))), b"null"),
    "an entry without changes": (body(b'{"id":"1"}', entry(change(value(GOOD)))), b'{"id":"1"}'),
    "an entry with no change": (
        body(b'{"id":"1","changes":[]}', entry(change(value(GOOD)))),
        b'{"id":"1","changes":[]}',
    ),
    "an entry of an impossible time": (
        body(b'{"time":%s,"changes":[]}' % (b"9" * 5000), entry(change(value(GOOD)))),
        b'{"time":%s,"changes":[]}' % (b"9" * 5000),
    ),
    "a change that is no object": (body(entry(b'"x"', change(value(GOOD)))), b'"x"'),
    "a change without a field": (body(entry(b'{"value":{}}', change(value(GOOD)))), b'{"value":{}}'),
    "a change without a value": (body(entry(b'{"field":"messages"}', change(value(GOOD)))), b'{"field":"messages"}'),
    "a field that is no string": (body(entry(change(b"{}", b"[]"), change(value(GOOD)))), change(b"{}", b"[]")),
    "messages that are no list": (body(entry(change(b'{"messages":17}'), change(value(GOOD)))), b"17"),
    "messages that are one message without an id": (
        body(entry(change(b'{"messages":{"a":1}}'), change(value(GOOD)))),
        b'{"a":1}',
    ),
    "a value that is no object": (body(entry(change(b"[1]"), change(value(GOOD)))), change(b"[1]")),
    "a message without an id": (body(entry(change(value(b'{"type":"text"}', GOOD)))), b'{"type":"text"}'),
    "a message that is no object": (body(entry(change(value(b"null", GOOD)))), b"null"),
    "a message whose id is a list": (body(entry(change(value(b'{"id":[17]}', GOOD)))), b'{"id":[17]}'),
    "a deep message": (body(entry(change(value(DEEP, GOOD)))), DEEP),
    "a deep status": (body(entry(change(value(GOOD, more=b',"statuses":[' + DEEP + b"]")))), DEEP),
    "a deep value of another field": (body(entry(change(DEEP, b'"flows"'), change(value(GOOD)))), DEEP),
    "a deep part beside the messages": (
        body(entry(change(value(GOOD, more=b',"x":' + DEEP)))),
        value(GOOD, more=b',"x":' + DEEP),
    ),
    "a deep message that has half an emoji": (
        body(entry(change(value(DEEP.replace(b"wamid", rb"\ud83d"), GOOD)))),
        DEEP.replace(b"wamid", rb"\ud83d"),
    ),
    "a deep message in a body that is torn elsewhere": (
        body(entry(change(value(DEEP, GOOD)))).replace(b"whatsapp_business_account", rb"\ud83d"),
        DEEP,
    ),
    "a status without a word": (
        body(entry(change(value(GOOD, more=b',"statuses":[{"id":"wamid.S"}]')))),
        b'{"id":"wamid.S"}',
    ),
}


@pytest.mark.parametrize(("data", "part"), PARTS.values(), ids=PARTS)
def test_a_part_that_is_not_understood_is_kept_beside_its_neighbours(data, part):
    facts, read = cut_and_read_back(data)
    assert sorted(fact.type for fact in facts) == [webhooks.MESSAGE, webhooks.UNPARSED]
    parts = {fact.type: data for fact, data in zip(facts, read, strict=True)}
    assert kept(parts[webhooks.UNPARSED]) == part
    assert parts[webhooks.UNPARSED].reason
    assert kept(parts[webhooks.MESSAGE]) == GOOD
    assert parts[webhooks.MESSAGE].wamid == "wamid.GOOD"


def test_a_deep_part_of_a_large_body_is_kept_whole_or_beside_its_neighbours():
    """Which of both depends on how deep the Python that runs here can skip."""
    deep = b'{"id":"wamid.DEEP","x":' + b"[" * 150_000 + b"]" * 150_000 + b"}"
    data = body(entry(change(value(GOOD, deep))))
    facts, read = cut_and_read_back(data)
    found = [(fact.type, kept(one)) for fact, one in zip(facts, read, strict=True)]
    assert found in ([(webhooks.UNPARSED, data)], [(webhooks.MESSAGE, GOOD), (webhooks.UNPARSED, deep)])


def test_a_byte_order_mark_hides_nothing():
    (fact,), (read,) = cut_and_read_back(b"\xef\xbb\xbf" + body(entry(change(value(GOOD)))))
    assert (fact.type, kept(read)) == (webhooks.MESSAGE, GOOD)


@pytest.mark.parametrize("field", ["messages", "flows"])
def test_a_number_is_read_out_of_a_list(field):
    data = body(entry(change(value(GOOD), b'"%s"' % field.encode())))
    listed = b'[{"phone_number_id":200000000000001}]'
    (fact,), (read,) = cut_and_read_back(data.replace(b'{"phone_number_id":"200000000000001"}', listed))
    assert (read.phone_number_id, fact.key.partition(":")[0]) == ("200000000000001",) * 2
    assert fact.type == (webhooks.MESSAGE if field == "messages" else webhooks.CHANGE)


@pytest.mark.parametrize(
    "nested",
    [b"[%s]", b'{"a":%s}', b'["]",%s]', rb'["\"]",%s]', rb'{"\\":%s}', b'[[],{"}":{}},%s,[{}]]'],
)
def test_a_message_is_one_as_long_as_every_reader_can_parse_it(nested):
    def message(levels):
        inner = b"1"
        for _ in range(levels - 1):  # and the message itself
            inner = nested.replace(b"%s", inner)
        return b'{"id":"wamid.M","x":' + inner + b"}"

    # The last of these lists has parts that are two levels deep beside the innermost one.
    deepest = MOST_LEVELS - (2 if nested.startswith(b"[[]") else 0)
    for levels, kind in [(deepest, webhooks.MESSAGE), (deepest + 1, webhooks.UNPARSED)]:
        (fact,), (read,) = cut_and_read_back(body(entry(change(value(message(levels))))))
        assert (fact.type, kept(read)) == (kind, message(levels))


def test_brackets_in_texts_are_no_levels():
    message = b'{"id":"wamid.M","x":"' + rb"[{\"" * 2_000 + b'"}'
    (fact,), _ = cut_and_read_back(body(entry(change(value(message)))))
    assert fact.type == webhooks.MESSAGE


def test_a_part_that_is_deep_and_can_be_read_is_no_less_for_a_deeper_one():
    message = b'{"id":"wamid.M","x":' + b"[" * 300 + b"]" * 300 + b"}"
    facts, read = cut_and_read_back(body(entry(change(value(message, DEEP)))))
    assert [fact.type for fact in facts] == [webhooks.MESSAGE, webhooks.UNPARSED]
    assert list(map(kept, read)) == [message, DEEP]


def test_a_part_is_kept_as_json_where_it_is_json_and_says_where_it_stood():
    _, (read, _) = cut_and_read_back(body(entry(change(value(b'{"type":"text"}', GOOD)))))
    assert read.raw_base64 is None
    assert (read.field, read.account_id, read.phone_number_id) == ("messages", "100000000000001", "200000000000001")


def test_a_value_with_errors_of_invalid_utf8_keeps_its_message():
    data = body(entry(change(value(GOOD, more=b',"errors":[{"title":"\xff"}]'))))
    (message, rest), (_, read) = cut_and_read_back(data)
    assert (message.type, rest.type) == (webhooks.MESSAGE, webhooks.CHANGE)
    assert kept(read) == value(GOOD, more=b',"errors":[{"title":"\xff"}]')
    assert json.loads(bytes(read.raw))["errors"] == [{"title": "\ufffd"}]


@pytest.mark.parametrize(
    "contacts", [b"[17]", b'[{"wa_id":15551230001}]', b'[{"profile":[]}]', b"[]", b"null", b'[{"wa_id":"\xff"}]']
)
def test_contacts_that_are_not_understood_do_not_harm_the_message(contacts):
    facts, read = cut_and_read_back(body(entry(change(value(GOOD, more=b',"contacts":' + contacts)))))
    assert (facts[0].type, facts[0].key) == (webhooks.MESSAGE, "200000000000001:p:15551230001")
    for rest in read[1:]:
        assert contacts in kept(rest)


@pytest.mark.parametrize("timestamp", [b"9" * 400, b'"9999999999999999999"', b'"nan"', b'"soon"', b'""', b"null"])
def test_a_time_that_is_none_is_the_time_of_arrival(timestamp):
    (fact,), _ = cut_and_read_back(body(entry(change(value(GOOD.replace(b'"1793525400"', timestamp))))))
    assert (fact.type, fact.occurred_at) == (webhooks.MESSAGE, NOW)


def test_a_huge_number_inside_a_message_stays_as_it_is():
    message = GOOD.replace(b'"Hi"', b"9" * 10_000)
    (fact,), (read,) = cut_and_read_back(body(entry(change(value(message)))))
    assert (fact.type, kept(read)) == (webhooks.MESSAGE, message)


def test_the_name_and_user_name_come_from_the_contact_of_the_change():
    contacts = b',"contacts":[{"wa_id":"15550000000","user_id":"US.X","profile":{"name":"X"}},{"wa_id":"15551230001","user_id":"US.A","profile":{"name":"Ada","username":"ada"}}]'
    (fact,), (read,) = cut_and_read_back(body(entry(change(value(GOOD, more=contacts)))))
    assert (read.contact.name, read.contact.username, read.contact.user_id) == ("Ada", "ada", "US.A")
    assert fact.key == "200000000000001:u:US.A"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text(max_size=5)
    | st.sampled_from(["messages", "wamid.X"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "entry",
                    "changes",
                    "field",
                    "value",
                    "metadata",
                    "messages",
                    "statuses",
                    "contacts",
                    "errors",
                    "id",
                    "time",
                    "status",
                    "from",
                    "phone_number_id",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def wrapped(inner, depth):
    """`inner` where an entry, a change, a value or a message is expected."""
    layers = [
        lambda x: {"entry": [x]},
        lambda x: {"id": "1", "changes": [x]},
        lambda x: {"field": "messages", "value": x},
        lambda x: {"metadata": {"phone_number_id": "2"}, "messages": [x], "statuses": [x]},
    ]
    for layer in reversed(layers[:depth]):
        inner = layer(inner)
    return inner


@given(json_values, st.integers(0, 4))
def test_any_json_in_any_place_is_kept(inner, depth):
    data = json.dumps(wrapped(inner, depth)).encode()
    facts, read = cut_and_read_back(data)
    assert facts
    assert all(kept(part) in data for part in read)


@given(st.binary(max_size=200))
def test_any_bytes_are_kept(data):
    _, (read,) = cut_and_read_back(data)
    assert kept(read) == data
