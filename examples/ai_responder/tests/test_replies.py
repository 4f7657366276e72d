"""From an event to a send request."""

import json

import pytest

from ai_responder.brain import RULES, by_rules, rule_answer
from ai_responder.replies import SILENT, WITHOUT_WORDS, Incoming, read, reply_to

USER, PHONE = "DE.1234567890", "15551230001"


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
    return await reply_to(Incoming(event_of(event_id, **changes), {}), by_rules)


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


async def test_without_a_chatbot_there_is_nobody_to_answer():
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


async def test_a_group_is_not_answered():
    assert await reply(contact={"groupId": "fake-group"}) is None


@pytest.mark.parametrize("text", [None, ""])
async def test_a_message_without_words_is_thanked_for(text):
    assert (await reply(messageType="image", text=text))["message"] == WITHOUT_WORDS


@pytest.mark.parametrize("answer", [None, ""])
async def test_a_brain_may_say_nothing(answer):
    async def silent(text, data):
        return answer

    assert await reply_to(Incoming(event_of(), {}), silent) is None


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
