"""The whole example on real Kafka: events in, one reply each out, in their order."""

import asyncio
import json
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from ai_responder.app import INCOMING, SEND, build_broker
from ai_responder.brain import by_rules
from ai_responder.settings import Settings

pytestmark = pytest.mark.integration

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def settings(kafka_bootstrap):
    return Settings(kafka_bootstrap_servers=kafka_bootstrap, ai_group=f"ai-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def chatbot():
    return f"bot-{uuid.uuid4().hex[:8]}"


def event_of(chatbot, number, text):
    data = {
        "messageId": f"m-{number}",
        "wamid": f"wamid.{chatbot}.{number}",
        "conversationId": f"c-{chatbot}",
        "contact": {"waId": "15551230001"},
        "messageType": "text",
        "chatbotId": chatbot,
        "text": text,
    }
    return json.dumps({"id": f"{chatbot}-{number}", "data": data}).encode()


HEADERS = (("traceparent", TRACEPARENT.encode()), ("correlation-id", b"c-1"), ("event-type", b"fake"))


async def publish(settings, chatbot, *values, headers=HEADERS):
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
        for value in values:
            await producer.send_and_wait(INCOMING, value, key=chatbot.encode(), headers=[*headers])


async def replies_until(settings, chatbot, last):
    """Every reply of `chatbot`, up to the one that says `last`."""
    found = []
    options = {"bootstrap_servers": settings.kafka_bootstrap_servers, "auto_offset_reset": "earliest"}
    async with AIOKafkaConsumer(SEND, **options) as consumer, asyncio.timeout(30):
        async for record in consumer:
            if record.key == chatbot.encode():
                found.append(record)
                if json.loads(record.value)["message"] == last:
                    break
    return found


async def run_until(settings, brain, chatbot, last):
    async with build_broker(settings, brain) as broker:
        await broker.start()
        return await replies_until(settings, chatbot, last)


async def test_each_event_gets_one_reply_in_order_and_poison_is_skipped(settings, chatbot):
    texts = [f"{n} {chatbot}" for n in range(5)]
    events = [event_of(chatbot, n, text) for n, text in enumerate(texts)]
    await publish(settings, chatbot, *events[:2], b"\xff poison", b'{"id": "e", "data": {}}', *events[2:])
    records = await run_until(settings, by_rules, chatbot, f"You wrote: {texts[-1]}")
    requests = [json.loads(record.value) for record in records]
    assert [request["message"] for request in requests] == [f"You wrote: {text}" for text in texts]
    assert {(request["chatbotId"], request["to"]) for request in requests} == {(chatbot, "15551230001")}
    assert len({request["messageId"] for request in requests}) == len(texts)


@pytest.mark.parametrize("odd", [b"caf\xe9", None], ids=["no UTF-8", "null"])
async def test_a_batch_with_an_odd_header_is_answered(settings, chatbot, odd):
    events = [event_of(chatbot, number, text) for number, text in enumerate(("first", "odd", "last"))]
    for event, headers in zip(events, ([], [("x-from", odd), ("reply_to", b"nowhere")], []), strict=True):
        await publish(settings, chatbot, event, headers=headers)
    records = await run_until(settings, by_rules, chatbot, "You wrote: last")
    answers = [json.loads(record.value)["message"] for record in records]
    assert answers == ["You wrote: first", "You wrote: odd", "You wrote: last"]


async def test_the_trace_goes_on_and_the_event_type_does_not(settings, chatbot):
    await publish(settings, chatbot, event_of(chatbot, 1, chatbot))
    (record,) = await run_until(settings, by_rules, chatbot, f"You wrote: {chatbot}")
    headers = dict(record.headers)
    assert (headers["traceparent"], headers["correlation-id"]) == (TRACEPARENT.encode(), b"c-1")
    assert headers["content-type"] == b"application/json"
    assert "event-type" not in headers


async def test_a_failed_batch_comes_again_and_asks_for_the_same_send(settings, chatbot):
    failures = []

    async def failing_once(text, data):
        if data["chatbotId"] == chatbot and text == "second" and not failures:
            failures.append(text)
            raise RuntimeError("fake failure")
        return await by_rules(text, data)

    await publish(settings, chatbot, event_of(chatbot, 1, "first"), event_of(chatbot, 2, "second"))
    records = await run_until(settings, failing_once, chatbot, "You wrote: second")
    requests = [json.loads(record.value) for record in records]
    assert failures == ["second"]
    assert {request["message"] for request in requests} == {"You wrote: first", "You wrote: second"}
    assert len({request["messageId"] for request in requests}) == 2


async def test_what_was_answered_is_not_answered_again_after_a_restart(settings, chatbot):
    await publish(settings, chatbot, event_of(chatbot, 1, "before"))
    await run_until(settings, by_rules, chatbot, "You wrote: before")
    await publish(settings, chatbot, event_of(chatbot, 2, "after"))
    records = await run_until(settings, by_rules, chatbot, "You wrote: after")
    assert [json.loads(record.value)["message"] for record in records] == ["You wrote: before", "You wrote: after"]
