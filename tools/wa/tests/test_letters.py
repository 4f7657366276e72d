"""What a dead-letter record says, which are asked for, which may go back, and what is shown of them."""

import argparse
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from common.contracts import topics
from common.contracts.dlq_audit import LetterReplayed
from wa.dlq import plan, show
from wa.dlq.letters import Filters, letter_of, parse_position
from wa.options import count, moment, words

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
BODY = {"chatbotId": "shop-bot", "to": "+491510000001", "message": "Dear Ann"}
HEADERS = {
    "reason": "rate_limited",
    "code": "131056",
    "attempts": "4",
    "message-id": "m1",
    "event-id": "e1",
    "origin-topic": "whatsapp-cloud-send",
    "traceparent": "00-11111111111111111111111111111111-2222222222222222-01",
    "correlation-id": "c1",
}


@dataclass
class Record:
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list


def letter(topic=topics.SEND_DLQ.name, body=BODY, value=None, key=b"shop-bot", **headers):
    told = {**HEADERS, **{name.replace("_", "-"): text for name, text in headers.items()}}
    pairs = [(name, text.encode()) for name, text in told.items() if text is not None]
    value = json.dumps(body).encode() if value is None else value
    return letter_of(Record(topic, 3, 17, round(AT.timestamp() * 1000), key, value, pairs))


def webhook(**headers):
    headers = {"origin_topic": topics.WEBHOOKS.name, "message_id": None, "event_id": None, "attempts": None, **headers}
    told = {"reason": "not understood: Dear Ann", "code": "not_applicable", **headers}
    return letter(topics.WEBHOOKS_DLQ.name, {"id": "w1", "data": {"raw": {}}}, key=b"106:p:491510000001", **told)


def headers_of(record):
    return {name: value.decode() for name, value in record.headers}


def entry(of, **changed):
    told = {"at": AT, "by": "ann", "letter": str(of.position), "to_topic": "t", "reason": "r", "event_id": of.event_id}
    return LetterReplayed(**{**told, **changed})


def test_a_send_letter_is_read():
    read = letter(replays="2")
    assert (read.reason, read.code, read.attempts, read.replays) == ("rate_limited", "131056", "4", 2)
    assert (read.chatbot_id, read.message_id, read.event_id, read.at) == ("shop-bot", "m1", "e1", AT)


def test_a_webhook_letter_goes_by_its_code_and_by_the_id_of_its_event():
    read = webhook()
    assert (read.reason, read.code, read.event_id, read.chatbot_id) == ("not_applicable", "not_applicable", "w1", None)


@pytest.mark.parametrize("value", [b"", b"\xff", b"[1]", b"17", b"{", b"[" * 100_000])
def test_whatever_the_value_is_the_letter_can_be_read(value):
    read = letter(value=value, message_id=None)
    assert (read.body, read.chatbot_id, read.message_id) == (None, None, None)


def test_a_number_of_replays_that_is_none_counts_as_none():
    assert [letter(replays=told).replays for told in (None, "", "x", "-1", "²", "3")] == [0, 0, 0, 0, 0, 3]


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        (Filters(), True),
        (Filters(topic="send"), True),
        (Filters(topic="webhooks"), False),
        (Filters(reason="rate_limited", code="131056", chatbot="shop-bot"), True),
        (Filters(reason="expired"), False),
        (Filters(code="1"), False),
        (Filters(chatbot="other"), False),
        (Filters(since=AT), True),
        (Filters(since=AT + timedelta(milliseconds=1)), False),
        (Filters(until=AT), False),
        (Filters(until=AT + timedelta(milliseconds=1)), True),
    ],
)
def test_filters(filters, matches):
    assert filters.match(letter()) is matches


def test_positions_are_read_in_full_and_in_short():
    position = parse_position("send/3/17")
    assert str(position) == "whatsapp-cloud-send-dlq/3/17"
    assert parse_position(str(position)) == position == letter().position


@pytest.mark.parametrize(
    "text", ["", "send", "send/1", "send/1/x", "send/-1/2", "send/1/2/3", "whatsapp-cloud-send/1/2"]
)
def test_what_is_no_position_is_said_to_be_none(text):
    with pytest.raises(ValueError, match="not a position"):
        parse_position(text)


def test_a_send_goes_back_with_its_number_and_its_value_as_it_was():
    dead = letter(replays="2")
    record = plan.record_of(dead)
    assert (record.topic, record.key, record.value) == ("whatsapp-cloud-send", "shop-bot", dead.value)
    assert headers_of(record) == {
        "replay": "3",
        "message-id": "m1",
        "replay-of": str(dead.position),
        "traceparent": HEADERS["traceparent"],
        "correlation-id": "c1",
    }


def test_the_first_replay_has_number_one():
    assert headers_of(plan.record_of(letter()))["replay"] == "1"


@pytest.mark.parametrize("origin", [topics.WEBHOOKS.name, topics.SEND_RESULTS.name])
def test_a_webhook_goes_back_to_where_it_came_from(origin):
    dead = webhook(origin_topic=origin)
    record = plan.record_of(dead)
    assert (record.topic, record.key, record.value) == (origin, "106:p:491510000001", dead.value)
    assert headers_of(record).keys() == {"replay-of", "traceparent", "correlation-id"}


@pytest.mark.parametrize(
    ("dead", "why"),
    [
        (letter(reason="in_doubt_unresolved"), "could send it twice"),
        (letter(value=b"not json", reason="invalid_request"), "not a JSON object"),
        (letter(value=b"[]", reason="invalid_request"), "not a JSON object"),
        (letter(body={"to": "1"}), "no chatbotId"),
        (letter(message_id=None), "no message id"),
        (letter(body={**BODY, "message": "x" * 1_050_000}), "too large for"),
        (webhook(origin_topic=topics.SEND.name), "cannot be replayed"),
        (webhook(origin_topic=None), "cannot be replayed"),
    ],
)
def test_letters_that_must_not_go_back(dead, why):
    assert why in plan.refusal(dead)
    assert [one for one, _ in plan.plan_for([dead], {}).refused] == [dead]
    with pytest.raises(ValueError, match=why):
        plan.record_of(dead)


def test_a_letter_that_was_put_back_is_done_and_the_same_place_with_another_event_is_not():
    dead = letter()
    done = entry(dead)
    assert plan.plan_for([dead], {done.letter: done}).done == [(dead, done)]
    other = entry(dead, event_id="another life of the topic")
    assert plan.plan_for([dead], {other.letter: other}).ready == [dead]


def test_the_audit_record_names_everything_and_quotes_no_person():
    record = plan.audit_of(letter(), plan.Order("ann", "limit raised"), AT)
    assert (record.topic, record.key) == ("whatsapp-cloud-dlq-audit", "whatsapp-cloud-send-dlq/3/17")
    assert json.loads(record.value) == {
        "at": "2026-11-23T08:00:00Z",
        "by": "ann",
        "because": "limit raised",
        "letter": "whatsapp-cloud-send-dlq/3/17",
        "toTopic": "whatsapp-cloud-send",
        "eventId": "e1",
        "reason": "rate_limited",
        "code": "131056",
        "messageId": "m1",
        "chatbotId": "shop-bot",
    }


def test_batches_keep_the_order_and_end_at_their_count_and_their_size():
    small = [letter(message_id=str(number)) for number in range(250)]
    assert [len(batch) for batch in plan.batches(small)] == [100, 100, 50]
    assert [one for batch in plan.batches(small) for one in batch] == small
    large = replace(letter(), value=b"x" * (plan.MAX_BATCH_BYTES // 2))
    assert [len(batch) for batch in plan.batches([large] * 5)] == [2, 2, 1]
    assert list(plan.batches([])) == []


@pytest.mark.parametrize("dead", [letter(), webhook()])
def test_no_line_has_a_text_or_a_number_of_a_person(dead):
    done = entry(dead)
    audit = {done.letter: done}
    text = "\n".join(
        [
            show.line(dead, audit),
            json.dumps(show.facts(dead, audit)),
            *show.details(dead, audit),
            *show.summary([dead]),
            *show.plan_lines(plan.plan_for([dead], {})),
        ]
    )
    assert "Dear Ann" not in text
    assert "491510000001" not in text
    assert "replayed at 2026-11-23T08:00:00Z by ann" in text


def test_the_body_is_shown_on_request_alone():
    assert "Dear Ann" not in "\n".join(show.details(letter(), {}))
    assert '"message": "Dear Ann"' in show.body_of(letter())


def test_so_are_headers_that_quote_people():
    sent, told = letter(details="not allowed: +491510000001"), webhook(reason="Invalid enum value 'Dear Ann'")
    assert "+491510000001" not in "\n".join(show.details(sent, {}))
    assert "Dear Ann" not in "\n".join(show.details(told, {}))
    assert "details: not allowed: +491510000001" in show.body_of(sent)
    assert "reason: Invalid enum value 'Dear Ann'" in show.body_of(told)


def test_what_could_steer_a_terminal_is_not_printed():
    nasty = letter(body={**BODY, "chatbotId": "\x1b[2J"}, message_id="a\nb", reason="\x07")
    for text in (show.line(nasty, {}), *show.details(nasty, {}), *show.summary([nasty])):
        assert text.isprintable()
    assert "\x1b" not in show.body_of(letter(value=b"\x1b[2J"))


def test_moments():
    assert moment("2h", AT) == AT - timedelta(hours=2)
    assert moment("2026-11-23T08:00:00") == moment("2026-11-23T09:00:00+01:00") == moment("2026-11-23T08:00:00Z") == AT
    for wrong in ("yesterday", "2w", "", "99999999d", "999999d"):
        with pytest.raises(argparse.ArgumentTypeError):
            moment(wrong, AT)


@pytest.mark.parametrize(("kind", "text"), [(count, "0"), (count, "x"), (count, "-1"), (words, " "), (words, "a\nb")])
def test_options_that_mean_nothing_are_refused(kind, text):
    with pytest.raises(argparse.ArgumentTypeError):
        kind(text)
