"""The records that a send leads to."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from common.contracts import sends
from common.contracts.contacts import Contact
from common.contracts.envelope import decode, decoder
from common.contracts.journal import State
from common.contracts.messages import MetaError
from common.kafka.records import read_headers
from sender.delivery import results
from sender.delivery.transitions import new_entry
from sender.outcomes import Retry
from sender.records.job import Position
from sender.records.parsing import read_record

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
VALUE = b'{"chatbotId": "b", "to": "+49151123", "message": "hi",  "messageId": "m1"}'
JOB = read_record(Position("whatsapp-cloud-send", 2, 17), VALUE, {"correlation-id": "c"}, retried=False)
ERROR = MetaError(code=131000, reason="unknown_error", details="détails")
ENTRY = replace(new_entry(JOB.journal_id, "b", "m1", JOB.to, NOW, "15"), attempt=2, error=ERROR, first_failed_at=NOW)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (State.ACCEPTED, sends.ACCEPTED),
        (State.FAILED, sends.FAILED),
        (State.EXPIRED, sends.EXPIRED),
        (State.IN_DOUBT, sends.IN_DOUBT),
    ],
)
def test_a_result_says_how_the_send_stands(state, kind):
    entry = replace(ENTRY, state=state, wamid="w", message_status="paused", contact=Contact(wa_id="49151123"))
    out = results.result(JOB, entry, NOW)
    event = decode(decoder(sends.SendResult), out.value)
    assert (out.topic, out.key) == ("whatsapp-cloud-send-results", "15:p:49151123")
    assert (event.type, event.occurred_at, event.correlation_id, event.causation_id) == (kind, NOW, "c", entry.id)
    data = event.data
    assert data.message_status == "paused"
    assert (data.journal_id, data.message_id, data.attempts, data.wamid) == (entry.id, "m1", 2, "w")
    assert data.request == json.loads(VALUE)
    assert read_headers(out.headers)["event-id"] == event.id


def test_the_same_end_is_the_same_event_and_another_attempt_another():
    def event_id(entry):
        return decode(decoder(sends.SendResult), results.result(JOB, entry, NOW).value).id

    failed = replace(ENTRY, state=State.FAILED)
    assert event_id(failed) == event_id(replace(failed, token="other"))
    assert event_id(failed) != event_id(replace(failed, state=State.IN_DOUBT))
    assert event_id(failed) != event_id(replace(failed, attempt=3))


def test_a_request_that_grew_too_large_is_left_out():
    big = b'{"chatbotId": "b", "to": "+49151123", "message": "hi", "metadata": {"a": [' + b"1e15," * 100_000 + b"1]}}"
    job = read_record(Position("whatsapp-cloud-send", 2, 17), big, {}, retried=False)
    out = results.result(job, replace(ENTRY, state=State.FAILED), NOW)
    assert len(out.value) < 1_000_000
    assert decode(decoder(sends.SendResult), out.value).data.request is None


def test_without_an_account_the_chatbot_keys_the_result():
    out = results.result(JOB, replace(ENTRY, state=State.FAILED, phone_number_id=None), NOW)
    assert out.key == "b:p:49151123"


@pytest.mark.parametrize(
    ("attempt", "topic"),
    [(1, "whatsapp-cloud-send-retry-2s"), (2, "whatsapp-cloud-send-retry-4s"), (3, "whatsapp-cloud-send-retry-8s")],
)
def test_a_retry_is_read_back_as_what_was_written(attempt, topic):
    due = NOW + timedelta(seconds=4)
    out = results.retry(JOB, ENTRY, Retry(due, ERROR, attempt), 2)
    assert (out.topic, out.key, out.value, out.partition) == (topic, "b", VALUE, 2)
    headers = read_headers(out.headers)
    assert (headers["code"], headers["reason"], headers["details"]) == ("131000", "unknown_error", "détails")
    job = read_record(Position(topic, 2, 0), out.value, headers, retried=True)
    assert (job.journal_id, job.attempts, job.due) == (JOB.journal_id, attempt, due.timestamp())
    assert (job.origin, job.lane) == (JOB.origin, JOB.lane)
    assert job.trace.traceparent.split("-")[1] == JOB.trace.traceparent.split("-")[1]


def test_a_dead_letter_keeps_the_value_and_says_why():
    out = results.dead_letter(JOB, replace(ENTRY, state=State.FAILED))
    headers = read_headers(out.headers)
    assert (out.topic, out.key, out.value) == ("whatsapp-cloud-send-dlq", "b", VALUE)
    assert {
        "reason": "unknown_error", "code": "131000", "attempts": "2", "origin-topic": "whatsapp-cloud-send",
        "origin-partition": "2", "origin-offset": "17", "first-failed-at": NOW.isoformat(), "message-id": "m1",
    }.items() <= headers.items()  # fmt: skip


def test_an_unreadable_record_is_kept_as_it_is():
    letter = read_record(Position("whatsapp-cloud-send", 1, 3), b"\xff{", {}, retried=False)
    out = results.dead_record(letter, NOW)
    headers = read_headers(out.headers)
    assert (out.topic, out.value, headers["reason"]) == ("whatsapp-cloud-send-dlq", b"\xff{", "invalid_request")
    assert (headers["origin-partition"], headers["origin-offset"], headers["attempts"]) == ("1", "3", "0")


def test_each_reason_to_wait_is_an_event_of_its_own():
    def event_id(reason, minutes=0):
        due = NOW + timedelta(minutes=minutes)
        out = results.stored(JOB, "15", due=due, error=MetaError(reason=reason), now=NOW)
        return decode(decoder(sends.SendResult), out.value).id

    assert event_id("behind_others") == event_id("behind_others", 5)
    assert event_id("behind_others") != event_id("meta_unreachable")
