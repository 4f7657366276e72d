"""What a record asks for, by where it stands and who wrote it."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from aiokafka import TopicPartition

from common.contracts import topics
from common.kafka.records import Outgoing
from common.kafka.wire.partitioner import partition_of
from common.kafka.wire.unreadable import Unreadable
from sender.records.onward import released
from sender.worker.intake.judging import judge

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOME = partition_of("bot", 12)
AWAY = (HOME + 1) % 12
REQUEST = {"chatbotId": "bot", "to": "+491510000001", "message": "hi"}


@dataclass
class Record:
    value: bytes | None
    offset: int = 7
    headers: tuple = ()
    timestamp: int = 1_793_525_400_000


def judged(body, *, partition=HOME, topic=topics.SEND.name, headers=()):
    value = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    return judge(TopicPartition(topic, partition), Record(value, headers=headers), partitions=12, now=NOW)


def test_partitions_are_those_of_the_java_client():
    # From Kafka's own test of murmur2 (UtilsTest.testMurmur2), taken modulo 12.
    known = {"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536}
    assert {key: partition_of(key, 12) for key in known} == {k: (v & 0x7FFFFFFF) % 12 for k, v in known.items()}


def test_a_record_at_home_is_a_send():
    item = judged({**REQUEST, "messageId": "m1"})
    assert (item.tenant, item.order, item.attempt, item.offset) == ("bot", 7, 0, 7)
    assert item.partition == TopicPartition(topics.SEND.name, HOME)


@pytest.mark.parametrize("more", [{}, {"messageId": None}, {"messageId": "m1"}])
def test_a_record_astray_is_moved_home_with_the_same_identity(more):
    here = judged({**REQUEST, **more}, partition=HOME)
    moved = judged({**REQUEST, **more}, partition=AWAY, headers=((b"x-own".decode(), b"1"),))
    assert isinstance(moved, Outgoing)
    assert (moved.topic, moved.key, moved.partition) == (topics.SEND.name, "bot", HOME)
    assert dict(moved.headers)["x-own"] == b"1"
    arrived = judged(moved.value, headers=moved.headers)
    assert arrived.payload.request.message == "hi"
    again = judged({**REQUEST, **more}, partition=AWAY)
    assert judged(again.value, headers=again.headers).id == arrived.id
    assert (arrived.id == here.id) is ("m1" in more.values())  # a derived id is that of the first place


def test_a_new_kafka_has_another_request_at_the_same_place():
    def sent(written, since):
        record = Record(json.dumps(REQUEST).encode(), timestamp=written)
        return judge(TopicPartition(topics.SEND.name, HOME), record, partitions=12, now=NOW, dated_since=since)

    undated = judged(REQUEST).id
    # Until all processes know the newer ids, the older ones count.
    assert sent(5_000, 6.0).id == sent(4_000, 6.0).id == undated
    assert len({undated, sent(6_000, 6.0).id, sent(7_000, 6.0).id}) == 3
    assert sent(6_000, 6.0).id == sent(6_000, 6.0).id
    named = json.dumps({**REQUEST, "messageId": "m1"}).encode()
    tp = TopicPartition(topics.SEND.name, HOME)
    first, other = (
        judge(tp, Record(named, timestamp=ms), partitions=12, now=NOW, dated_since=0.0) for ms in (6_000, 7_000)
    )
    assert first.id == other.id


def test_what_was_moved_before_is_moved_again_when_it_is_released():
    moved = judged({**REQUEST, "messageId": "m1", "sendAt": "2026-11-22T13:00:00Z"}, partition=AWAY)
    scheduled = judged(moved.value, headers=moved.headers)
    before = replace(scheduled, position=replace(scheduled.position, partition=AWAY))  # there were other partitions
    record = released(before)
    assert record.partition == AWAY
    home = judged(record.value, partition=AWAY, headers=record.headers)
    assert (home.partition, judged(home.value, headers=home.headers).payload.message_id) == (HOME, "m1")


def test_a_record_astray_does_not_outgrow_its_topic():
    body = {**REQUEST, "metadata": {"numbers": [1e15] * 50_000}}
    value = json.dumps(body).encode()
    moved = judged(value, partition=AWAY, headers=(("x-long", b"x" * 100_000), ("x-null", None)))
    assert moved.value == value
    assert sum(len(name) + len(text) for name, text in moved.headers) < 1_000


def test_nothing_is_moved_while_the_partitions_are_not_known():
    tp = TopicPartition(topics.SEND.name, AWAY)
    assert not isinstance(judge(tp, Record(json.dumps(REQUEST).encode()), partitions=None, now=NOW), Outgoing)


@pytest.mark.parametrize("replay", ["9" * 5_000, "9" * 30, "-1", "x", ""])
def test_a_replay_header_that_makes_no_sense_does_no_harm(replay):
    assert judged({**REQUEST, "messageId": "m"}, headers=(("replay", replay.encode()),)).payload.replay == 0


def test_a_replay_is_told_from_the_record_it_replays():
    first = judged({**REQUEST, "messageId": "m"})
    again = judged({**REQUEST, "messageId": "m"}, headers=(("replay", b"1"),))
    assert (again.id, again.payload.journal_id) == (f"{first.id}/1", first.id)


def test_a_record_that_was_moved_stays():
    moved = judged(REQUEST, partition=AWAY)
    assert not isinstance(judged(moved.value, partition=AWAY, headers=moved.headers), Outgoing)


def test_a_retry_is_never_moved():
    assert not isinstance(judged(REQUEST, partition=AWAY, topic=topics.SEND_RETRY_2S.name), Outgoing)


@pytest.mark.parametrize("topic", [topics.SEND.name, topics.SEND_RETRY_2S.name])
@pytest.mark.parametrize("value", [b"\0raw", json.dumps(REQUEST).encode()])
def test_what_cannot_be_read_is_a_dead_letter_with_its_place_and_the_reason(topic, value):
    tp = TopicPartition(topic, AWAY)
    lost = Unreadable(topic, AWAY, 9, 0, 0, None, value, None, -1, 4, (), 7, "DecompressionError: no zstd")
    letter = judge(tp, lost, partitions=12, now=NOW)
    assert (letter.topic, letter.value) == (topics.SEND_DLQ.name, value)
    headers = {name: text.decode() for name, text in letter.headers}
    assert [headers[f"origin-{what}"] for what in ("topic", "partition", "offset")] == [topic, str(AWAY), "9"]
    assert headers["reason"] == "unreadable"
    assert headers["details"] == "records 7 to 9 cannot be read: DecompressionError: no zstd"


@pytest.mark.parametrize("value", [None, b"", b"no json", b"[]", {"to": "+49"}])
def test_what_cannot_be_understood_is_a_dead_letter_wherever_it_stands(value):
    letter = judged(value, partition=AWAY)
    assert letter.topic == topics.SEND_DLQ.name
