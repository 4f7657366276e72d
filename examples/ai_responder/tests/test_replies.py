"""From an event to a send request."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ai_responder.brain import RULES, by_rules, rule_answer
from ai_responder.replies import SILENT, WITHOUT_WORDS, Incoming, read, reply_to

USER, PHONE, GROUP = "DE.1234567890", "15551230001", "Y2FwaV9ncm91cDpmYWtl"
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def event_of(event_id="event-1", **changes):
    data = {
        "messageId": "m-1",
        "wamid": "wamid.fake",
        "conversationId": "c-1",
        "phoneNumberId": "200000000000001",
        "contact": {"userId": USER, "waId": PHONE, "name": "Ada"},
        "messageType": "text",
        "message": {},
        "chatbotId": "shop-bot",
        "text": "Hello!",
    } | changes
    return {"id": event_id, "data": {name: value for name, value in data.items() if value is not None}}


async def reply(event_id="event-1", **changes):
    return await reply_to(Incoming(event_of(event_id, **changes), {}), by_rules, "a-group")


@pytest.mark.parametrize(
    ("text", "name", "answer"),
    [
        ("Hi", "Ada", "Hello Ada! How can I help you?"),
        ("  HELLO!! ", None, "Hello! How can I help you?"),
        ("What are your Opening Hours?", None, RULES[0][1]),
        ("the price of history", None, RULES[1][1]),
        ("a human, please", None, RULES[2][1]),
        ("grüße 👋", None, "You wrote: grüße 👋"),
    ],
)
def test_the_rules_greet_answer_and_echo(text, name, answer):
    assert rule_answer(text, name) == answer


async def test_a_message_is_answered_to_its_sender_from_its_chatbot():
    assert await reply() == {
        "chatbotId": "shop-bot",
        "to": USER,
        "message": "Hello Ada! How can I help you?",
        "messageId": (await reply())["messageId"],
        "replyTo": "wamid.fake",
        "metadata": {"inReplyTo": "event-1"},
    }


@pytest.mark.parametrize("kind", sorted(SILENT))
async def test_some_types_are_not_answered(kind):
    assert await reply(messageType=kind) is None


async def test_an_event_without_a_chatbot_gets_no_answer():
    assert await reply(chatbotId=None) is None


async def test_the_same_event_asks_for_the_same_send_and_another_for_another():
    first, again, other = await reply("event-1"), await reply("event-1"), await reply("event-2")
    assert first == again
    assert first["messageId"] != other["messageId"]


@pytest.mark.parametrize(
    ("contact", "to"),
    [({"userId": USER, "waId": PHONE}, USER), ({"waId": PHONE}, PHONE), ({"userId": USER}, USER)],
)
async def test_the_business_scoped_id_is_preferred_to_the_phone_number(contact, to):
    assert (await reply(contact=contact))["to"] == to


@pytest.mark.parametrize(
    ("contact", "message"),
    [
        ({"groupId": GROUP, "userId": USER, "waId": PHONE}, {}),
        ({"groupId": GROUP}, {"group_id": "fake-other"}),
        ({"userId": USER, "waId": PHONE}, {"group_id": GROUP}),
    ],
)
async def test_what_is_asked_in_a_group_is_answered_there_and_not_in_private(contact, message):
    assert (await reply(contact=contact, message=message))["to"] == GROUP
    assert await reply(contact=contact, message=message, messageType="image", text=None) is None


@pytest.mark.parametrize("contact", [{"groupId": 7, "waId": PHONE}, {"waId": 7}, {"name": "Ada"}, {"userId": ""}])
async def test_who_cannot_be_written_to_is_not_answered(contact):
    assert await reply(contact=contact) is None


async def test_two_consumer_groups_give_two_replies_and_one_gives_the_same_again():
    async def ids_of(*groups):
        asked = [await reply_to(Incoming(event_of(), {}), by_rules, group) for group in groups]
        return [request["messageId"] for request in asked]

    first, again, other, odd = await ids_of("a", "a", "b", 'a", "b')
    assert first == again
    assert len({first, other, odd}) == 3


@pytest.mark.parametrize(
    ("occurred", "recorded", "stored", "written"),
    [
        ("2026-11-30T10:00:00Z", "2026-11-30T10:00:01Z", NOON, "2026-11-30T10:00:00Z"),
        ("2026-11-24T10:00:00Z", "2026-11-30T10:00:01Z", NOON, "2026-11-24T10:00:00Z"),  # Meta came again
        ("2009-02-13T23:31:30Z", "2026-11-30T10:00:01Z", NOON, "2026-11-30T10:00:01Z"),  # cannot be true
        ("2026-12-24T10:00:00Z", "2026-11-30T10:00:01Z", NOON, "2026-11-30T10:00:01Z"),  # nor this
        (None, None, NOON, NOON.isoformat()),
        ("2026-11-30T10:00:00Z", None, None, "2026-11-30T10:00:00Z"),
        ("yesterday", 7, NOON, NOON.isoformat()),
        ("2026-11-30T10:00:00", "2026-11-30T10:00:01", NOON, "2026-11-30T10:00:00Z"),
    ],
)
def test_when_a_message_was_written(occurred, recorded, stored, written):
    event = event_of() | {"occurredAt": occurred, "recordedAt": recorded}
    assert read(json.dumps(event).encode(), {}, stored).written == datetime.fromisoformat(written)


@pytest.mark.parametrize(
    ("seconds", "older"), [(3_599, False), (3_600, False), (3_601, True), (7 * 86_400, True), (-5, False)]
)
def test_what_is_older_than_the_limit_is_too_old(seconds, older):
    incoming = Incoming(event_of(), {}, NOON)
    assert incoming.is_older(timedelta(hours=1), NOON + timedelta(seconds=seconds)) is older


def test_what_has_no_time_is_not_too_old():
    assert not Incoming(event_of(), {}).is_older(timedelta(hours=1), NOON)


@pytest.mark.parametrize("text", [None, ""])
async def test_a_message_without_words_is_thanked_for(text):
    assert (await reply(messageType="image", text=text))["message"] == WITHOUT_WORDS


@pytest.mark.parametrize("answer", [None, ""])
async def test_a_brain_may_say_nothing(answer):
    async def silent(text, data):
        return answer

    assert await reply_to(Incoming(event_of(), {}), silent, "a-group") is None


def test_an_event_is_read_with_its_headers():
    event = event_of()
    incoming = read(json.dumps(event).encode(), {"traceparent": "t"})
    assert (incoming.event, incoming.headers, incoming.conversation) == (event, {"traceparent": "t"}, "c-1")


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff\xfe",
        b"not json",
        b"[]",
        b"7",
        b"{}",
        b'{"id": "e"}',
        b'{"id": "e", "data": null}',
        b'{"id": 7, "data": {"conversationId": "c"}}',
        b'{"id": "e", "data": {"conversationId": 7}}',
        b'{"id": "e", "data": {"conversationId": "c"}}',
        b'{"id": "e", "data": {"conversationId": "c", "wamid": "w", "contact": "x"}}',
        b'{"id": "e", "data": {"conversationId": "c", "contact": {}}}',
    ],
)
def test_a_record_that_is_no_event_is_none(value):
    assert read(value, {}) is None
