"""What Meta writes in another form than documented is read as far as it can be, stored as it came, and told."""

import json

import msgspec
import pytest
from conversation_builders import ADA, NUMBER, Memory, again, message, read, status, torn, webhook

from common.contracts import webhooks
from common.contracts.contacts import Contact
from common.contracts.envelope import decode, decoder
from common.contracts.ids import journal_id
from common.contracts.messages import IncomingMessage, MessageStatus
from conversation.batch.facts import Inbound, StatusSeen
from conversation.read_api.views import message_view

incoming, told = decoder(IncomingMessage), decoder(MessageStatus)
OURS = journal_id("bot", "m1")
ANY = [None, True, 0, 17, -3, 1.5, 10**40, "", "x", [], [17], [{}], {}, {"a": 1}, {"id": 5, "body": 3, "details": []}]
WORDS = ("type", "from", "from_user_id", "from_parent_user_id", "group_id", "timestamp", "text", "context", "system")
MESSAGE_FIELDS = (*WORDS, "image", "interactive", "reaction", "location", "order", "button", "referral", "errors")
STATUS_FIELDS = (
    "timestamp",
    "recipient_id",
    "recipient_participant_id",
    "recipient_participant_user_id",
    "biz_opaque_callback_data",
    "pricing",
    "errors",
    "conversation",
)


@pytest.fixture
def memory():
    return Memory()


@pytest.mark.parametrize("field", MESSAGE_FIELDS)
def test_a_message_is_published_whatever_its_other_fields_are(memory, field):
    for n, odd in enumerate(ANY):
        raw = {"id": f"wamid.{n}", "type": "text", "text": {"body": "Hi"}, "context": {"id": "wamid.B"}, field: odd}
        record = webhook(webhooks.MESSAGE, raw, contact=ADA, wamid=f"wamid.{n}")
        (event,), _ = memory.run(record)
        data = decode(incoming, event.value).data
        assert json.loads(bytes(data.message)) == raw
        if field != "text":
            assert data.text in ("Hi", "3")
        if field != "context":
            assert data.reply_to == "wamid.B"


@pytest.mark.parametrize("field", STATUS_FIELDS)
def test_a_status_is_told_whatever_its_other_fields_are(memory, field):
    for n, odd in enumerate(ANY):
        record = status("delivered", wamid=f"wamid.{n}", ours=False, **{field: odd})
        (event,), done = memory.run(record)
        assert decode(told, event.value).data.status == "delivered"
        for usage in done.usage:
            assert all(isinstance(usage[name], str) for name in ("category", "pricingType") if name in usage)


def test_numbers_are_taken_as_the_texts_that_they_should_be(memory):
    raw = {"id": 7, "type": "text", "text": {"body": 17}, "context": {"id": 99}}
    (event,), _ = memory.run(webhook(webhooks.MESSAGE, raw, contact=ADA, wamid="7"))
    data = decode(incoming, event.value).data
    assert (data.wamid, data.text, data.reply_to) == ("7", "17", "99")


ERRORS = {
    "a code as text": ([{"code": "131026", "title": "Undeliverable"}], (131026, "Undeliverable", None)),
    "an object": ({"code": 131026, "error_data": {"details": "no WhatsApp"}}, (131026, None, "no WhatsApp")),
    "a word as code": ([{"code": "E1", "title": "Bad"}], (None, "E1: Bad", None)),
    "a code without end": ([{"code": 10**40}], (None, str(10**40), None)),
    "a fraction": ([{"code": 131026.0}], (131026, None, None)),
    "a text": (["bad"], (None, "bad", None)),
    "data that is a text": ([{"code": 1, "error_data": "x"}], (1, None, None)),
    "details that are a number": ([{"code": 1, "error_data": {"details": 5}}], (1, None, "5")),
}


@pytest.mark.parametrize(("errors", "expected"), ERRORS.values(), ids=ERRORS)
def test_why_it_failed_is_told_in_whatever_form_meta_says_it(memory, errors, expected):
    (event,), _ = memory.run(status("failed", errors=errors))
    error = decode(told, event.value).data.error
    assert (error.code, error.title, error.details) == expected


@pytest.mark.parametrize(
    ("body", "text", "stored"),
    [
        (rb"Hi \ud83d", "Hi \ufffd", r"Hi \ud83d"),
        (rb"\ude00\ud83d \\ud83d", "\ufffd\ufffd \\ud83d", r"\ude00\ud83d \\ud83d"),
        (b"caf\xe9", "caf\ufffd", r"caf\xe9"),
        (b"\\\\xe9 \xff", "\\xe9 \ufffd", r"\\xe9 \xff"),
    ],
)
def test_a_torn_text_is_shown_with_a_replacement_and_stored_as_it_came(memory, body, text, stored):
    raw = b'{"id":"wamid.T","type":"text","text":{"body":"%s"}}' % body
    (event,), _ = memory.run(torn(raw))
    data = decode(incoming, event.value).data
    assert data.text == text
    assert json.loads(bytes(data.message))["text"]["body"] == text
    (document,) = memory.messages.values()
    assert (document["text"], document["raw"]) == (text, raw.decode("utf-8", "backslashreplace"))
    view = message_view(document)
    assert view["raw"]["text"]["body"] == text
    msgspec.json.encode(view["raw"])


def test_the_title_of_a_status_error_may_be_torn(memory):
    raw = rb'{"id":"wamid.T","status":"failed","errors":[{"code":1,"title":"a\ud83d"}]}'
    (event,), done = memory.run(torn(raw, webhooks.STATUS))
    assert decode(told, event.value).data.error.title == "a\ufffd"
    assert done.webhook_events[0]["raw"] == raw.decode()


def test_a_change_that_is_torn_is_in_the_log_as_it_came(memory):
    _, done = memory.run(torn(rb'{"a":"\udc00"}', webhooks.CHANGE))
    assert done.webhook_events[0]["raw"] == r'{"a":"\udc00"}'


def test_two_failures_of_one_message_are_both_told_and_kept(memory):
    def failed(code, **more):
        return status("failed", errors=[{"code": code, "title": f"t{code}"}], **more)

    first, second = failed(131026), failed(131047)
    events, _ = memory.run(first, second)
    assert [decode(told, event.value).data.error.code for event in events] == [131026, 131047]
    assert len({decode(told, event.value).id for event in events}) == 2
    assert [entry["error"]["code"] for entry in memory.messages[OURS]["statuses"]] == [131026, 131047]
    assert memory.run(again(first), again(second), failed("131026"))[0] == []
    replayed, _ = memory.run(first, second)
    assert [decode(told, event.value).id for event in replayed] == [decode(told, event.value).id for event in events]


def test_a_failure_that_an_earlier_version_stored_is_not_told_again(memory):
    record = status("failed", errors=[{"code": 131026}])
    memory.run(record)
    (entry,) = memory.messages[OURS]["statuses"]
    entry["key"] = "wamid.OUT1|failed|"
    before = entry["origin"]
    assert memory.run(again(record))[0] == []
    (event,), _ = memory.run(record)  # its own replay is, with the id of the first time
    assert entry["origin"] == before
    assert len(memory.messages[OURS]["statuses"]) == 1
    assert decode(told, event.value).data.error.code == 131026


def test_a_failure_without_a_reason_does_not_hide_one_with_it(memory):
    events, _ = memory.run(status("failed"), status("failed", errors=[{"code": 131026}]))
    assert len(events) == 2


@pytest.mark.parametrize("word", ["sent", "delivered", "read", "failed", "deleted"])
@pytest.mark.parametrize("together", [True, False])
def test_a_status_that_comes_before_a_message_with_its_wamid_does_not_hide_the_message(memory, word, together):
    early, late = status(word, wamid="wamid.SAME", ours=False), message("wamid.SAME")
    batches = [[early, late]] if together else [[early], [late]]
    events = [event for batch in batches for event in memory.run(*batch)[0]]
    assert [event.topic for event in events] == ["message-status", "incoming-messages"]
    assert {document["direction"] for document in memory.messages.values()} == {"inbound", "outbound"}
    assert memory.run(again(early), again(late))[0] == []


def test_a_wamid_on_two_numbers_is_two_messages(memory):
    both = {NUMBER: "bot", "999": "other"}
    events, _ = memory.run(message(), message(number="999"), chatbots=both)
    data = [decode(incoming, event.value) for event in events]
    assert len({event.id for event in data}) == len({event.data.message_id for event in data}) == 2
    assert [event.data.chatbot_id for event in data] == ["bot", "other"]
    assert len(memory.messages) == 2


def test_the_person_of_the_event_is_the_one_that_ingress_found(memory):
    person = Contact(user_id="US.NEW")
    raw = {"id": "w", "type": "system", "system": {"type": "user_changed_user_id", "user_id": "US.NEW"}}
    (event,), _ = memory.run(webhook(webhooks.MESSAGE, raw, contact=person, wamid="w"))
    assert decode(incoming, event.value).data.contact == person


def test_records_of_odd_fields_are_no_dead_letters():
    assert isinstance(read(webhook(webhooks.MESSAGE, {"id": 1, "type": None})), Inbound)
    assert isinstance(read(webhook(webhooks.STATUS, {"id": 1, "status": 2, "errors": 3})), StatusSeen)
