"""The record of a waiting send: what is stored is what was read, and loading it is reading it again."""

import json

from common.contracts import topics
from sender.records.job import Job, Position, UnreadableRecord
from sender.records.parsing import read_record
from sender.waiting.stored_record import StoredRecord, from_document, record_of, to_document

REQUEST = json.dumps({"chatbotId": "b", "to": "+4915100000001", "message": "hi"}).encode()
HEADERS = {"x.own": "1", "$y": "2", "attempts": "2"}


def job(topic):
    read = read_record(Position(topic, 3, 7), REQUEST, HEADERS, retried=topic != topics.SEND.name)
    assert isinstance(read, Job)
    return read


def test_a_stored_record_comes_back_as_it_was():
    record = record_of(job(topics.SEND.name), 3)
    assert from_document(to_document(record)) == record


def test_loading_a_record_is_reading_it_again():
    for topic in (topics.SEND.name, topics.RETRIES[0][0].name):
        first = job(topic)
        again = record_of(first, 3).read()
        assert isinstance(again, Job)
        assert (again.journal_id, again.position, again.headers, again.attempts) == (
            first.journal_id,
            first.position,
            first.headers,
            first.attempts,
        )


def test_the_time_in_a_message_id_is_stored_with_it():
    dated = read_record(Position(topics.SEND.name, 3, 7), REQUEST, {}, retried=False, dated_at=5_000)
    document = to_document(record_of(dated, 3))
    assert document["datedAt"] == 5_000
    assert from_document(document).read().journal_id == dated.journal_id != job(topics.SEND.name).journal_id
    named = read_record(
        Position(topics.SEND.name, 3, 7),
        json.dumps({**json.loads(REQUEST), "messageId": "m1"}).encode(),
        {},
        retried=False,
        dated_at=5_000,
    )
    assert "datedAt" not in to_document(record_of(named, 3))


def test_a_header_may_have_a_name_that_no_field_may_have():
    assert to_document(record_of(job(topics.SEND.name), 3))["headers"] == [
        [name, text] for name, text in HEADERS.items()
    ]


def test_a_record_that_is_no_request_is_unreadable():
    record = StoredRecord(partition=3, topic=topics.SEND.name, offset=7, headers={}, value=b"no json")
    assert isinstance(record.read(), UnreadableRecord)
