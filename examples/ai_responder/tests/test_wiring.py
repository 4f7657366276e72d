"""How the example stands on Kafka, without Kafka: its clients' settings, and when a message counts as answered."""

import asyncio
import json
import time
from types import SimpleNamespace

import pytest
from aiokafka import ConsumerRecord
from faststream import AckPolicy
from faststream.kafka.message import KafkaMessage
from faststream.kafka.parser import AioKafkaBatchParser

from ai_responder import app
from ai_responder.app import INCOMING, SEND, answer_all, build_broker
from ai_responder.brain import by_rules
from ai_responder.replies import read
from ai_responder.settings import Settings


class Broker:
    """In the place of FastStream's: keeps what it is made of and what is published."""

    def __init__(self, servers, **options):
        self.servers, self.options = servers, options
        self.published = []
        self.error = None
        self.open = asyncio.Event()
        self.open.set()

    def subscriber(self, topic, **options):
        self.topic, self.subscription = topic, options

        def keep(handler):
            self.handler = handler
            return handler

        return keep

    async def publish(self, value, topic, *, key, headers):
        await self.open.wait()
        if self.error is not None:
            raise self.error
        self.published.append((topic, key, json.loads(value), headers))


@pytest.fixture
def broker(monkeypatch):
    monkeypatch.setattr(app, "KafkaBroker", Broker)
    monkeypatch.setattr(app, "_FAILURE_PAUSE_SECONDS", 0.0)
    return build_broker(
        Settings(kafka_bootstrap_servers="one:1,two:2", ai_group="a group", llm_timeout_seconds=7), by_rules
    )


def record(number, *, conversation="c", text="hello there", value=None, age=0.0):
    data = {
        "messageId": f"m-{number}",
        "wamid": f"wamid.{number}",
        "conversationId": conversation,
        "contact": {"waId": "15551230001"},
        "messageType": "text",
        "chatbotId": "bot",
        "text": text,
    }
    value = value or json.dumps({"id": f"event-{number}", "data": data}).encode()
    return SimpleNamespace(
        value=value,
        headers=[("correlation-id", b"c-1")],
        topic=INCOMING,
        partition=0,
        offset=number,
        timestamp=int(1000 * (time.time() - age)),
    )


def kafka_record(number):
    return ConsumerRecord(
        timestamp_type=0,
        key=b"bot",
        checksum=None,
        serialized_key_size=3,
        serialized_value_size=0,
        **vars(record(number)),
    )


def test_what_was_not_committed_is_not_read_and_what_was_acknowledged_is_not_lost(broker):
    assert (broker.servers, broker.topic) == (["one:1", "two:2"], INCOMING)
    assert (broker.options["acks"], broker.options["enable_idempotence"]) == ("all", True)
    assert broker.options["allow_auto_create_topics"] is False
    chosen = broker.subscription
    assert (chosen["isolation_level"], chosen["group_id"]) == ("read_committed", "a group")
    assert (chosen["auto_offset_reset"], chosen["ack_policy"]) == ("earliest", AckPolicy.NACK_ON_ERROR)
    assert chosen["max_poll_interval_ms"] >= chosen["max_records"] * 7 * 1000


def test_a_lone_message_waits_at_most_20_ms_for_faststreams_rest_after_a_silence(broker):
    assert broker.subscription["batch_timeout_ms"] <= 20


async def test_a_batch_is_done_with_only_when_every_reply_is_acknowledged(broker):
    broker.open.clear()
    working = asyncio.create_task(broker.handler([record(1), record(2, conversation="d")]))
    await asyncio.sleep(0.05)
    assert not working.done()
    broker.open.set()
    await working
    assert {(topic, key) for topic, key, _, _ in broker.published} == {(SEND, b"bot")}
    assert len(broker.published) == 2


async def test_a_reply_that_kafka_did_not_take_gives_the_batch_back(broker):
    broker.error = RuntimeError("away")
    with pytest.raises(BaseExceptionGroup):
        await broker.handler([record(1)])


async def test_a_batch_that_comes_again_asks_for_the_same_sends(broker):
    for _ in range(2):
        await broker.handler([record(1), record(2)])
    asked = [request["messageId"] for _, _, request, _ in broker.published]
    assert asked[:2] == asked[2:]
    assert len(set(asked)) == 2


async def test_a_conversation_is_answered_in_order_and_beside_the_others(broker):
    order, first = [], asyncio.Event()

    async def brain(text, _data):
        if text == "slow":
            await first.wait()
        order.append(text)
        return text

    incoming = [
        [read(record(n, conversation=name, text=text).value, {}) for n, text in enumerate(texts)]
        for name, texts in (("c", ["slow", "after"]), ("d", ["quick"]))
    ]
    answering = asyncio.create_task(answer_all(broker, brain, incoming, "a group"))
    await asyncio.sleep(0.05)
    assert order == ["quick"]
    first.set()
    await answering
    assert order == ["quick", "slow", "after"]


async def test_a_new_group_does_not_answer_what_is_old(broker, caplog):
    caplog.set_level("INFO")
    week = [record(number, age=7 * 86_400 - number, conversation=f"c{number}") for number in range(20)]
    await broker.handler([*week, record(20, age=3_700), record(21, age=3_500), record(22)])
    assert [request["replyTo"] for _, _, request, _ in broker.published] == ["wamid.21", "wamid.22"]
    assert "21 messages are older than AI_MAX_AGE_SECONDS and are not answered" in caplog.text


async def test_headers_that_are_null_or_no_utf_8_are_read_by_the_handler_alone(broker):
    odd = ConsumerRecord(**{**vars(kafka_record(1)), "headers": (("x-from", b"caf\xe9"), ("reply_to", None))})
    own = AioKafkaBatchParser(KafkaMessage, None)
    with pytest.raises(UnicodeDecodeError):
        await own.parse_batch((odd,))
    message = await broker.subscription["parser"]((odd,), own.parse_batch)
    assert (message.reply_to, message.message_id) == ("", f"1-1-{odd.timestamp}")
    records = await broker.subscription["decoder"](message)
    assert records == (odd,)
    await broker.handler(records)
    assert [request["replyTo"] for _, _, request, _ in broker.published] == ["wamid.1"]


async def test_a_record_that_is_no_event_holds_nothing_up(broker):
    await broker.handler([record(1), record(2, value=b"\xff poison"), record(3)])
    assert len(broker.published) == 2
    assert [headers["correlation-id"] for _, _, _, headers in broker.published] == ["c-1", "c-1"]
