"""When topics may be raised, what has to stop for it, and what a waiting send becomes when it moves: the decisions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contracts import ids, topics
from common.kafka.records import read_headers
from common.kafka.wire.partitioner import partition_of
from wa.partitions.choice import CHOICES, Seen, grown, obstacles, refusals, restarts
from wa.partitions.moving import home_of, known, parked_record, scheduled_fields

WEBHOOKS, SEND, RESULTS = CHOICES["webhooks"], CHOICES["send"], CHOICES["send-results"]
AT, RETRIED = topics.SEND.name, topics.RETRIES[0][0].name


def seen(choice, *, unread=None, writing=False, hidden=(), end=5, roles=None):
    counts = dict.fromkeys(choice.names, 4)
    ends = {(name, 0): end for name in choice.names}
    return Seen(counts, ends, unread or {}, roles or {}, hidden, writing)


def test_every_topic_with_partitions_is_a_choice():
    chosen = [topic for choice in CHOICES.values() for topic in choice.topics]
    assert sorted(topic.name for topic in chosen) == sorted(t.name for t in topics.ALL if t.partitions > 1)


def test_what_nothing_is_in_the_way_of_may_be_raised():
    for choice in CHOICES.values():
        assert obstacles(choice, seen(choice), seen(choice)) == []
        assert refusals(choice, 4, seen(choice)) == []


def test_what_stops_and_what_is_unread_is_said_with_its_remedy():
    writing, unread = obstacles(
        WEBHOOKS, seen(WEBHOOKS, writing=True, unread={"c": 7, "other": 0}, roles={"c": "conversation"}), seen(WEBHOOKS)
    )
    assert (writing.says, writing.fix) == (f"ingress runs, and writes to {WEBHOOKS.names[0]}", "stop every ingress")
    assert (unread.says, unread.fix) == (
        "the group c has about 7 records to read",
        "let it run until it has read them",
    )


def test_a_group_of_others_may_be_left_out():
    (found,) = obstacles(WEBHOOKS, seen(WEBHOOKS, unread={"old": 1_234}), seen(WEBHOOKS))
    assert "1,234" in found.says
    assert "--without old" in found.fix
    (found,) = obstacles(WEBHOOKS, seen(WEBHOOKS, hidden=("secret",)), seen(WEBHOOKS))
    assert "could not be seen" in found.says
    assert "--without secret" in found.fix


def test_a_service_that_reads_what_it_writes_has_to_read_it_before_it_stops():
    (found,) = obstacles(SEND, seen(SEND, writing=True, unread={"s": 3}, roles={"s": "sender"}), seen(SEND))
    assert "let sender run" in found.fix
    (found,) = obstacles(SEND, seen(SEND, writing=True, unread={"s": 0}, roles={"s": "sender"}), seen(SEND))
    assert found.fix == "stop every sender"


def test_a_topic_that_grows_is_not_raised():
    (found,) = obstacles(SEND, seen(SEND, end=6), seen(SEND, end=5))
    assert "still grows" in found.says
    assert "AI consumers" in found.fix
    (found,) = obstacles(CHOICES["incoming-messages"], seen(CHOICES["incoming-messages"], end=6), seen(SEND))
    assert found.fix == "stop what writes there: conversation"


def test_dead_letters_have_no_order_to_lose():
    letters = CHOICES["send-dlq"]
    assert obstacles(letters, seen(letters, writing=True, unread={"x": 1}, end=9), seen(letters)) == []


def test_what_waiting_does_not_help():
    (found,) = refusals(SEND, 3, seen(SEND))
    assert "Kafka cannot take partitions away" in found.says
    assert found.fix == "give at least 4"
    (found,) = refusals(WEBHOOKS, 9, Seen({}))
    assert found.fix == "`wa topics ensure --partitions 9`"


def test_who_has_to_be_restarted_is_said():
    incoming = CHOICES["incoming-messages"]
    ours = {"s": "sender", "c": "conversation"}
    assert restarts(incoming, seen(incoming, unread={"s": 0}, roles=ours)) == ["start conversation again"]
    first, last = restarts(incoming, seen(incoming, unread={"s": 0, "ai": 0, "bi": 0}, roles=ours))
    assert first.startswith("restart the consumers of ai, bi first")
    assert last == "start conversation again"
    letters = CHOICES["send-dlq"]
    assert restarts(letters, seen(letters)) == ["nothing of ours has to be restarted"]


def test_what_was_written_meanwhile_is_found():
    before, after = seen(WEBHOOKS), seen(WEBHOOKS, end=6)
    assert grown(before, after) == [(WEBHOOKS.names[0], 0)]
    assert grown(before, before) == []
    # A new partition is not one that has grown.
    new = Seen(after.counts, {**before.ends, (WEBHOOKS.names[0], 9): 3})
    assert grown(before, new) == []


def document(message_id="m1", *, topic=AT, partition=9, offset=7, headers=(), dated_at=None, bot="bot", named=True):
    body = {"chatbotId": bot, "to": "+491510000001", "message": "hi"} | ({"messageId": message_id} if named else {})
    return {
        "_id": ids.journal_id(bot, message_id),
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "headers": [list(pair) for pair in headers],
        "value": json.dumps(body).encode(),
        **({"datedAt": dated_at} if dated_at is not None else {}),
    }


@given(st.sampled_from([None, 5_000]), st.integers(0, 50), st.integers(0, 2**40), st.integers(1, 60))
def test_a_request_without_an_id_keeps_the_one_of_its_first_place(dated_at, partition, offset, partitions):
    message_id = ids.request_id(AT, partition, offset, dated_at)
    one = document(message_id, partition=partition, offset=offset, dated_at=dated_at, named=False)
    send = known(one)
    assert (send.chatbot_id, send.message_id) == ("bot", message_id)
    record = parked_record(one, send, partitions)
    assert (record.topic, record.key, record.partition) == (AT, "bot", partition_of("bot", partitions))
    assert record.value == one["value"]
    fields = scheduled_fields(one, send, partitions)
    assert fields["partition"] == home_of("bot", partitions)
    for headers in (read_headers(record.headers), dict(map(tuple, fields["headers"]))):
        assert (headers["message-id"], headers["rekeyed-from"]) == (message_id, f"{AT}/{partition}/{offset}")
    # It can move once more.
    again = {**one, "partition": fields["partition"], "offset": 0, "headers": fields["headers"]}
    assert known(again) == send


def test_a_retry_goes_back_as_a_request_and_a_producers_own_headers_stay():
    one = document(topic=RETRIED, headers=[("message-id", "m1"), ("attempts", "2"), ("origin-topic", AT), ("x", "1")])
    headers = read_headers(parked_record(one, known(one), 4).headers)
    assert headers == {"message-id": "m1", "x": "1", "rekeyed-from": f"{RETRIED}/9/7"}
    own = document(headers=[("attempts", "2")])
    assert read_headers(parked_record(own, known(own), 4).headers)["attempts"] == "2"


def test_a_replay_is_known_by_its_send():
    one = document(headers=[("replay", "1"), ("message-id", "m1")])
    assert known({**one, "_id": f"{one['_id']}/1"}).message_id == "m1"


@pytest.mark.parametrize(
    "change",
    [{"value": b"no json"}, {"value": b"\xff"}, {"value": b'{"chatbotId": 5}'}, {"_id": "another"}, {"value": b"[]"}],
)
def test_what_is_not_the_send_that_it_says_is_left_alone(change):
    assert known(document() | change) is None
    # A producer's own header of that name is no id, and its place says who it is.
    named = document("m2", headers=[("message-id", "m2")], named=False)
    assert known(named) is None
