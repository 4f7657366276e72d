"""What becomes of a record on the send topics, from any producer."""

import json

import pytest

from common.contracts import ids
from common.contracts.messages import MetaError
from common.contracts.sends import SendRequest
from common.errors import InvalidInput
from sender.api.batch import BatchParser
from sender.records.job import Job, Position, UnreadableRecord
from sender.records.parsing import MAX_REQUEST_BYTES, parse, read_record

AT = Position("whatsapp-cloud-send", 2, 17)
GOOD = {"chatbotId": "b", "to": "+4915112345678", "message": "hi"}


def read(value, headers=(), *, retried=False, at=AT):
    if isinstance(value, dict):
        value = json.dumps(value).encode()
    return read_record(at, value, dict(headers), retried=retried)


def test_a_request_becomes_a_job():
    job = read({**GOOD, "messageId": "m1", "metadata": {"a": 1}})
    assert isinstance(job, Job)
    assert isinstance(job.request, SendRequest)
    assert (job.journal_id, job.lane) == (ids.journal_id("b", "m1"), "b|p:4915112345678")
    assert job.body["metadata"] == {"a": 1}
    assert (job.attempts, job.due, job.origin) == (0, 0.0, AT)


def test_a_message_in_metas_form_is_kept_in_ours_and_moves_on_as_it_was_given():
    message = {"type": "image", "image": {"id": "7", "caption": "A rose"}, "context": {"message_id": "wamid.x"}}
    given = {**GOOD, "messageId": "m1", "message": message}
    job = read(given)
    assert job.request.kind == "image"
    assert job.body["message"] == {"type": "image", "id": "7", "caption": "A rose"}
    assert job.body["replyTo"] == "wamid.x"
    assert json.loads(job.value) == given
    (item,) = [BatchParser(json.dumps({"messages": [given]}).encode()).item(0, "new")]
    assert item.body["message"] == job.body["message"]


def test_a_wrong_message_in_metas_form_keeps_its_kind_and_its_text():
    job = read({**GOOD, "messageId": "m1", "message": {"text": {"body": "hi", "colour": "red"}}})
    assert job.request.details.startswith("message.text.colour: ")
    assert job.body["message"] == {"type": "text", "body": "hi", "colour": "red"}


def test_a_request_without_an_id_has_the_same_one_each_time_it_is_read():
    first, again, other = read(GOOD), read(GOOD), read(GOOD, at=Position(AT.topic, 2, 18))
    assert first.message_id == again.message_id == first.body["messageId"]
    assert first.message_id != other.message_id


@pytest.mark.parametrize("to", ["4915112345678", "+49 151 12345678", "+4915112345678"])
def test_one_person_is_one_lane_in_any_notation(to):
    assert read({**GOOD, "to": to}).lane == "b|p:4915112345678"


def test_a_bsuid_is_a_lane_of_its_own():
    assert read({**GOOD, "to": "DE.1349"}).lane == "b|u:DE.1349"


DEEP = {"metadata": {"a": json.loads("[" * 99 + "]" * 99)}}


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"chatbotId": NaN}', {}, {"chatbotId": ""},
        {"chatbotId": 7}, {"chatbotId": "x" * 129}, b'"' + b"x" * MAX_REQUEST_BYTES + b'"',
    ],
)  # fmt: skip
def test_what_names_no_chatbot_is_a_letter(value):
    letter = read(value)
    assert isinstance(letter, UnreadableRecord)
    assert letter.error.reason == "invalid_request"
    assert letter.origin == AT


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": "nobody"}, "to"),
        ({"to": None}, "to"),
        ({"to": 4915112345678}, "to"),
        ({"message": ""}, "message: it must not be empty"),
        ({"message": "x" * 4097}, "message: it has 4097 characters"),
        ({"message": {"type": "image"}}, "message: give exactly one"),
        ({"message": {"type": "text", "body": "x" * 4097}}, "message.body"),
        ({"message": {"type": "fax"}}, "message: the type `fax` is not known"),
        ({"message": 7}, "give a string (a text) or an object with a `type`"),
        ({"messageId": "x" * 129}, "messageId"),
        ({"messageId": 5}, "messageId"),
        ({"expiresAt": "tomorrow"}, "expiresAt"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_breaks_a_rule_is_a_job_that_says_which(change, field):
    job = read({**GOOD, "messageId": "m1", **change})
    assert isinstance(job, Job)
    assert isinstance(job.request, MetaError)
    assert job.request.reason == "invalid_request"
    assert field in job.request.details


RETRY = {
    "attempts": "2", "not-before-ms": "1700000004000", "message-id": "given", "first-failed-at": "2026-11-22T12:00:00",
    "origin-topic": "whatsapp-cloud-send", "origin-partition": "2", "origin-offset": "5",
}  # fmt: skip


def test_a_retry_record_says_where_it_stands():
    job = read(GOOD, RETRY, retried=True, at=Position("whatsapp-cloud-send-retry-4s", 2, 0))
    assert (job.attempts, job.due, job.message_id) == (2, 1_700_000_004.0, "given")
    assert job.origin == Position("whatsapp-cloud-send", 2, 5)
    assert job.first_failed_at == "2026-11-22T12:00:00"


def test_a_producer_cannot_say_that_its_record_is_a_retry():
    job = read(GOOD, RETRY)
    assert (job.attempts, job.due, job.origin) == (0, 0.0, AT)
    assert job.message_id != "given"


UNSTORABLE = [
    ({"metadata": {"a": {"$ref": "x", "$id": 1}}}, "metadata.a.$ref"),
    ({"metadata": {"n": 2**70}}, "metadata.n"),
    ({"metadata": {"n\0": 1}}, "metadata.n"),
    ({"message": {"type": "text", "body": "x", "$ref": 1}}, "message.$ref"),
    (DEEP, "metadata.a.0"),
    ({"surprise": [0] * 30_000}, "surprise"),
]


@pytest.mark.parametrize(("change", "path"), UNSTORABLE)
def test_what_cannot_be_stored_ends_as_failed_and_its_result_can_be_stored(change, path):
    job = read({**GOOD, **change})
    assert isinstance(job, Job)
    assert job.request.reason == "invalid_request"
    assert job.request.details.startswith(path)
    assert (job.chatbot_id, job.body) == (GOOD["chatbotId"], None)


@pytest.mark.parametrize(("change", "path"), UNSTORABLE)
def test_what_cannot_be_stored_is_refused_with_its_field(change, path):
    with pytest.raises(InvalidInput) as refused:
        parse(json.dumps({**GOOD, **change}).encode())
    assert refused.value.details[0]["field"].startswith(path)


def test_in_a_batch_only_the_item_that_cannot_be_stored_is_refused():
    messages = [GOOD, *({**GOOD, **change} for change, _ in UNSTORABLE), GOOD]
    parsing = BatchParser(json.dumps({"messages": messages}).encode())
    items = [parsing.item(place, "new") for place in range(len(parsing))]
    assert [isinstance(item, InvalidInput) for item in items] == [False, *[True] * len(UNSTORABLE), False]


@pytest.mark.parametrize(
    ("more", "key"),
    [
        (b'"to": "DE.2"', "to"),
        (b'"metadata": {"a": [{"n": 1, "n": 1}]}', "n"),
        (b'"messageId": "m", "messageId": "n"', "messageId"),
    ],
)
def test_a_key_that_comes_twice_is_refused_at_the_door_on_the_topic_and_in_a_batch(more, key):
    value = json.dumps(GOOD).encode()[:-1] + b", " + more + b"}"
    told = f"an object of the request has the key `{key}` twice; give it once"
    with pytest.raises(InvalidInput, match=told):
        parse(value)
    item = BatchParser(b'{"messages": [' + value + b"]}").item(0, "new")
    assert (type(item), item.message) == (InvalidInput, told)
    letter = read(value)
    assert (type(letter), letter.error.details) == (UnreadableRecord, told)
    assert isinstance(read(value, retried=True), Job)  # our own record of a send that an older version has begun


def test_a_field_of_a_batch_that_comes_twice_is_refused():
    messages = json.dumps([GOOD, {**GOOD, "metadata": {"a:b": ":"}}]).encode()
    assert len(BatchParser(b'{"batchId": "a:b", "messages": ' + messages + b"}")) == 2
    for repeated in (b'"batchId": "a:c"', b'"messages": []', b'"category": "campaign", "category": "campaign"'):
        body = b'{"batchId": "a:b", "messages": ' + messages + b", " + repeated + b"}"
        with pytest.raises(InvalidInput, match="has one of its fields twice"):
            BatchParser(body)


PYTHON_NAMES = {
    "chatbot_id": "b",
    "message_id": "m1",
    "reply_to": "wamid.x",
    "send_at": "2026-12-24T18:00:00Z",
    "expires_at": "2026-12-24T18:00:00Z",
}


@pytest.mark.parametrize("name", PYTHON_NAMES)
def test_a_field_has_one_name_at_the_door_and_on_the_topic(name):
    """What the door took under another name, the topic would not find: the send would end as a letter, or twice."""
    meant = "".join(part.capitalize() if at else part for at, part in enumerate(name.split("_")))
    given = {key: value for key, value in GOOD.items() if key != meant} | {name: PYTHON_NAMES[name]}
    with pytest.raises(InvalidInput) as refused:
        parse(json.dumps(given).encode())
    assert {detail["field"]: detail["message"] for detail in refused.value.details}[name].endswith(
        f"did you mean `{meant}`?"
    )
    (item,) = [BatchParser(json.dumps({"messages": [given]}).encode()).item(0, "new")]
    assert isinstance(item, InvalidInput)
    found = read(given)
    assert isinstance(found, UnreadableRecord) or name in found.request.details


def test_null_is_absent_in_a_batch_and_in_its_messages():
    item = {**GOOD, "chatbotId": None, "category": None, "messageId": None, "replyTo": None, "sendAt": None}
    parsing = BatchParser(
        json.dumps({"chatbotId": "b", "category": None, "batchId": None, "messages": [item]}).encode()
    )
    wanted = parsing.item(0, "new")
    assert (wanted.chatbot_id, wanted.message_id, wanted.body["category"]) == ("b", "new", "campaign")
    request, _ = parse(json.dumps({**item, "chatbotId": "b"}).encode())
    assert (request.category, request.message_id, request.quoted) == ("conversation", None, None)


def test_a_batch_is_not_nested_without_limit_either():
    deep = "[" * 800 + "]" * 800
    for body in (f'{{"messages":[{{}}],"extra":{deep}}}', f'{{"messages":{deep}}}', f'{{"messages":[{deep}]}}'):
        with pytest.raises(InvalidInput):
            raise BatchParser(body.encode()).item(0, "new")


def test_fair_nesting_and_many_brackets_are_fine():
    metadata = {"list": [{"n": n} for n in range(300)], "deep": json.loads("[" * 70 + "]" * 70)}
    assert isinstance(read({**GOOD, "metadata": metadata}).request, SendRequest)


def test_odd_headers_do_no_harm():
    job = read(GOOD, {"attempts": "-1", "not-before-ms": "²", "origin-topic": "x"}, retried=True)
    assert (job.attempts, job.due, job.origin) == (0, 0.0, Position("x", 0, 0))


def test_the_trace_goes_on():
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    job = read(GOOD, {"traceparent": traceparent, "correlation-id": "c"})
    assert (job.trace.trace_id, job.trace.parent_id, job.trace.correlation_id) == (*traceparent.split("-")[1:3], "c")
    assert read(GOOD).trace.correlation_id == read(GOOD).message_id
