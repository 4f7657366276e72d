"""Fields of a request that contradict each other, and times that say too little: the refusal names the field."""

import json

import pytest

from common.errors import InvalidInput
from sender.api.batch import BatchParser
from sender.records.job import Job, Position
from sender.records.parsing import parse, read_record

GOOD = {"chatbotId": "b", "to": "+4915112345678", "message": "hi"}
TEXT = {"type": "text", "text": {"body": "x"}}
REACTION = {"type": "reaction", "message_id": "wamid.x", "emoji": "x"}
DAY, DAY_BEFORE = "2999-12-24T18:00:00Z", "2999-12-23T18:00:00Z"


CONTRADICTIONS = [
    ({"sendAt": DAY, "expiresAt": DAY_BEFORE}, "expiresAt"),
    ({"sendAt": DAY, "expiresAt": DAY}, "expiresAt"),
    ({"message": REACTION, "replyTo": "wamid.y"}, "replyTo"),
    ({"message": {**REACTION, "context": {"message_id": "wamid.y"}}}, "message.context"),
    ({"message": {**TEXT, "to": "+4915112345679"}}, "message.to"),
    ({"message": {**TEXT, "recipient_type": "group"}}, "message.recipient_type"),
    ({"message": {**TEXT, "context": {"message_id": "wamid.a"}}, "replyTo": "wamid.b"}, "message.context"),
]


def refused(fields):
    with pytest.raises(InvalidInput) as raised:
        parse(json.dumps({**GOOD, **fields}).encode())
    (wrong,) = raised.value.details
    return wrong


@pytest.mark.parametrize(("fields", "field"), CONTRADICTIONS)
def test_what_contradicts_something_else_is_named(fields, field):
    wrong = refused(fields)
    assert wrong["field"] == field
    assert wrong["message"]
    item = BatchParser(json.dumps({"messages": [{**GOOD, **fields}]}).encode()).item(0, "new")
    assert item.details[0]["field"] == field
    job = read_record(Position("t", 0, 0), json.dumps({**GOOD, **fields}).encode(), {}, retried=False)
    assert isinstance(job, Job)
    assert job.request.details.startswith(f"{field}: ")


@pytest.mark.parametrize("field", ["sendAt", "expiresAt"])
@pytest.mark.parametrize("at", ["2999-12-24T18:00:00", "2999-12-24 18:00", "2999-12-24"])
def test_a_time_without_a_zone_says_what_to_add(field, at):
    wrong = refused({field: at})
    assert (wrong["field"], wrong["given"]) == (field, at)
    assert wrong["message"].startswith("give the time with its zone: `Z` for UTC, or an offset")


@pytest.mark.parametrize("at", [DAY, "2999-12-24T18:00:00+02:00", "2999-12-24T18:00:00.123-11:30", 32_503_680_000])
def test_a_time_with_a_zone_is_taken(at):
    assert parse(json.dumps({**GOOD, "sendAt": at}).encode())[0].send_at.tzinfo is not None
