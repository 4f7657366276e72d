"""Hostile records and headers on the send topics: each becomes a job or a letter, and what it carries on is small."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.contracts import topics
from common.contracts.contacts import contact_of_recipient
from common.contracts.messages import MetaError
from common.contracts.sends import SendRequest
from common.kafka.records import read_headers
from sender.delivery.results import dead_letter, dead_record
from sender.delivery.transitions import new_entry
from sender.dispatch.items import item_of
from sender.records.job import Job, Position, UnreadableRecord
from sender.records.onward import headers_of, rekeyed, released
from sender.records.parsing import LAST_DUE, MAX_REQUEST_BYTES, read_record

AT = Position("whatsapp-cloud-send", 2, 17)
GOOD = {"chatbotId": "b", "to": "+4915112345678", "message": "hi"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = [
    "message-id", "attempts", "not-before-ms", "first-failed-at", "origin-topic", "origin-partition", "origin-offset",
    "replay", "replays", "rekeyed-from", "released-from", "correlation-id", "traceparent", "tracestate", "event-id",
]  # fmt: skip
VALUES = [
    None, b"", b"\xff\xfe", b"\x00", b"a\r\nb: c", b"-1", b"1" + b"0" * 400, b"999999999999999", b"9223372036854775808",
    b"nan", b"inf", b"1e300", "\u0661\u0662".encode(), "²".encode(), b"x" * 200_000, b"9999-12-31T23:59:59.999999+00:00",
    b"0001-01-01T00:00:00+23:59", b"10000-01-01T00:00:00", b"../../etc", b"1_000", b"+5", b" 5 ",
]  # fmt: skip


def judged(value, headers, *, retried):
    """Read a record, and do with it all that is done without IO; what is carried on has to be small."""
    read = read_record(AT, value, read_headers(headers), retried=retried)
    if isinstance(read, UnreadableRecord):
        made = [dead_record(read, NOW)]
    else:
        item = item_of(read, order=read.origin.offset, partition=TopicPartition("t", 1), due=read.due)
        assert item.lane
        datetime.fromtimestamp(max(read.due, 0.0), UTC)
        datetime.fromtimestamp(read.send_at, UTC)
        assert 0 <= read.attempts < 1 << 63
        assert 0 <= read.replay < 1 << 63
        msgspec.json.encode(read.body)
        entry = new_entry(read.journal_id, read.chatbot_id, read.message_id, read.to, NOW, replays=read.replay)
        headers_of(read, attempts=1, first_failed_at=None)
        made = [rekeyed(read, 1), released(read), dead_letter(read, entry)]
    for record in made:
        assert sum(len(name.encode()) + len(text) for name, text in record.headers) < 40_000
        assert size_of(record) <= next(topic for topic in topics.ALL if topic.name == record.topic).max_message_bytes
    return read


def size_of(record):
    """As the broker measures it, alone in its batch."""
    return len(filled(record).build())


def filled(record):
    builder = DefaultRecordBatchBuilder(2, 0, 1, 1, 1, 1, 1 << 30)
    builder.append(0, 1_700_000_000_000, record.key.encode(), record.value, list(record.headers))
    return builder


LARGE = json.dumps({**GOOD, "metadata": {"x": "y" * (MAX_REQUEST_BYTES - 200)}}).encode()
HEAPS = {
    "a long name": [("n" * 168_418, b"")],
    "a name of many bytes": [("\U0001f642" * 40_000, b"x")],
    "a long value": [("x-own", b"x" * 168_000)],
    "values of many bytes": [(f"x-{n}", "\U0001f642".encode() * 500) for n in range(80)],
    "many names": [(f"{n:04}" + "n" * 40, b"") for n in range(4_000)],
    "bytes that become three each": [("x-own", b"\xff" * 100_000)],
    "more than any topic takes": [("x-own", b"x" * 3_000_000), ("n" * 3_000_000, b"")],
}


@pytest.mark.parametrize("retried", [False, True])
@pytest.mark.parametrize("what", HEAPS)
def test_a_moved_record_is_no_larger_than_its_topic_takes(what, retried):
    mine = [("replay", b"1"), ("correlation-id", b"c" * 200), ("rekeyed-from", b"whatsapp-cloud-send/1/2")]
    for value in (json.dumps(GOOD).encode(), LARGE):
        read = judged(value, [*mine, *HEAPS[what]], retried=retried)
        assert (read.replay, read.trace.correlation_id) == (1, "c" * 200)
        assert {name: read.headers[name].encode() for name, _ in mine} == dict(mine)


def test_a_producers_headers_go_on_with_its_request_when_they_are_small():
    own = [(f"x-{n}", ("\u00e4" * 100).encode()) for n in range(70)]
    read = judged(LARGE, [("correlation-id", b"c"), *own], retried=False)
    assert dict(rekeyed(read, 1).headers).items() >= dict(own).items()


@pytest.mark.parametrize("size", [1_100_000, 5_000_000])
def test_a_request_from_a_compressed_batch_may_be_larger_than_its_dead_letter(size):
    value = json.dumps({**GOOD, "message": "x" * size}).encode()
    read = judged(value, [], retried=False)
    letter = dead_record(read, NOW)
    assert value.startswith(letter.value)
    assert len(letter.value) in {len(value), topics.SEND_DLQ.max_value_bytes}


@pytest.mark.parametrize("retried", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_no_header_does_harm(name, retried):
    for value in VALUES:
        read = judged(json.dumps(GOOD).encode(), [(name, value)], retried=retried)
        assert isinstance(read, Job)
        assert isinstance(read.request, SendRequest)


def test_a_retry_is_never_due_after_the_calendar():
    read = judged(json.dumps(GOOD).encode(), [("not-before-ms", b"9" * 15)], retried=True)
    assert read.due == LAST_DUE


@pytest.mark.parametrize(("name", "field"), [("origin-topic", "origin"), ("first-failed-at", "first_failed_at")])
@pytest.mark.parametrize("value", ["x" * 300, "a b", "a\r\nb", "", "é"])
def test_what_is_no_topic_and_no_time_is_not_carried_on(name, field, value):
    read = read_record(AT, json.dumps(GOOD).encode(), {name: value}, retried=True)
    assert getattr(read, field) in {AT, None}


@pytest.mark.parametrize("chatbot", ["a b", "a|p:1", "a\nb", "b\n", "é", "a/b", "", "x" * 129, "\x00", 5, None, ["b"]])
def test_what_names_no_possible_chatbot_is_a_letter(chatbot):
    assert isinstance(judged(json.dumps({**GOOD, "chatbotId": chatbot}).encode(), [], retried=False), UnreadableRecord)


ABSURD = [
    {f"k{n}": n for n in range(300)},
    {"message": {"type": "text", **{f"k{n}": n for n in range(300)}}},
    {"message": {"type": "contacts", "contacts": [{}] * 20_000}},
    {"metadata": {f"k{n}": n for n in range(30_000)}},
    {"metadata": {"a": [[]] * 30_000}},
]


@pytest.mark.parametrize("more", ABSURD, ids=range(len(ABSURD)))
def test_absurdly_many_values_end_as_a_failure_that_says_so(more, monkeypatch):
    monkeypatch.setattr(SendRequest, "model_validate", lambda _: pytest.fail("pydantic was asked"))
    read = judged(json.dumps({**GOOD, **more}).encode(), [], retried=False)
    assert isinstance(read.request, MetaError)
    assert any(words in read.request.details for words in ("at most", "more than"))


DIGITS = [
    "\u0661\u0662\u0663\u0664\u0665",
    "²²²²²²",
    "\uff11\uff12\uff13\uff14\uff15",
    "+49151\u00b2\u00b3\u00b9123",
    "\u0967" * 9,
    "Ⅷ" * 6,
]


@pytest.mark.parametrize("to", DIGITS)
def test_digits_that_make_no_number_name_no_person(to):
    assert not contact_of_recipient(to).aliases()
    read = read_record(AT, json.dumps({**GOOD, "to": to}).encode(), {}, retried=False)
    assert isinstance(read.request, MetaError)


@pytest.mark.parametrize("to", ["+49\u00a0151\u2011123456", "+49\u202f151 123456", "+49 (151) 123-456"])
def test_spaces_and_dashes_of_typography_are_fine(to):
    assert contact_of_recipient(to).aliases() == ("p:49151123456",)


_text = st.text(max_size=40)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)
_times = st.datetimes(timezones=st.timezones()).map(str) | st.floats() | st.integers() | _text
_requests = st.fixed_dictionaries(
    {},
    optional={
        "chatbotId": st.just("b") | _json,
        "to": st.just("+4915112345678") | _json,
        "message": _text | _json | st.fixed_dictionaries({"type": st.sampled_from(["text", "image", "template"])}),
        "metadata": _json, "messageId": _json, "replyTo": _json, "category": _json,
        "sendAt": _times, "expiresAt": _times, "other": _json,
    },
)  # fmt: skip
_values = _requests.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=60)
_headers = st.lists(st.tuples(st.sampled_from(NAMES), st.none() | st.binary(max_size=60) | st.sampled_from(VALUES)))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=_values, headers=_headers, retried=st.booleans())
def test_no_record_is_an_error(value, headers, retried):
    judged(value, headers, retried=retried)
