"""The consumer: FastStream reads `incoming-messages`, and answers go to `whatsapp-cloud-send`."""

import asyncio
import itertools
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiokafka import ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from ai_responder.brain import Brain
from ai_responder.replies import Incoming, read, reply_to
from ai_responder.settings import Settings
from ai_responder.tracing import processing, sending

log = logging.getLogger(__name__)

Records = Sequence[ConsumerRecord[bytes, bytes]]

INCOMING: Final = "incoming-messages"
SEND: Final = "whatsapp-cloud-send"
_FAILURE_PAUSE_SECONDS: Final = 1.0
_BATCH_RECORDS: Final = 100
_POLL_MARGIN_SECONDS: Final = 60.0
_GOING_ON: Final = ("correlation-id", "traceparent", "tracestate")


def build_broker(settings: Settings, brain: Brain) -> KafkaBroker:
    """The broker with its only subscriber. A comment explains each setting that differs from FastStream's default."""
    broker = KafkaBroker(
        settings.kafka_bootstrap_servers.split(","),  # FastStream takes one text for one broker
        acks="all",  # an acknowledged reply survives the loss of a leader
        enable_idempotence=True,
        allow_auto_create_topics=False,  # a missing topic is an error, not a topic with one partition
        log_level=logging.DEBUG,  # its two log lines per message cost more than the message
        graceful_timeout=30.0,  # the slowest answer of a language model
        apply_types=False,  # records are read as they are
    )
    skipped = itertools.count(1)
    max_age = timedelta(seconds=settings.ai_max_age_seconds)

    async def raw_records(message: Any) -> Records:
        records: Records = message.raw_message
        return records

    @broker.subscriber(
        INCOMING,
        group_id=settings.ai_group,
        batch=True,
        max_records=_BATCH_RECORDS,
        # After so long without a message FastStream sleeps as long again, with its default for 0.2 s: half of the lone
        # messages would wait for that.
        batch_timeout_ms=20,
        # A batch may be one conversation, and the model may need its whole time limit for each message. A consumer that
        # polls later than this loses its partitions, and would start the same batch again for ever.
        max_poll_interval_ms=int((_BATCH_RECORDS * settings.llm_timeout_seconds + _POLL_MARGIN_SECONDS) * 1000),
        auto_offset_reset="earliest",  # also messages from before this group's first start
        isolation_level="read_committed",  # each customer message exactly once
        # Offsets are committed after the whole batch has been answered. After a failure the batch is read again; its
        # answers have the same `messageId`, so the sender does not send them twice.
        ack_policy=AckPolicy.NACK_ON_ERROR,
        parser=without_headers,
        decoder=raw_records,
    )
    async def on_messages(records: Records) -> None:
        try:
            fresh = _fresh(_conversations(records, skipped), max_age, datetime.now(UTC))
            await answer_all(broker, brain, fresh, settings.ai_group)
        except Exception:
            await asyncio.sleep(_FAILURE_PAUSE_SECONDS)  # because NACK_ON_ERROR retries at once
            raise

    return broker


async def without_headers(records: Records, parse: Callable[[Records], Awaitable[Any]]) -> Any:
    """FastStream's message of a batch; its parser is given no headers, and the handler gets the records as they are.

    FastStream decodes every header before the handler. At one that is null or no UTF-8 it raises, and acknowledges
    nothing and gives nothing back, so that the next batch commits behind a lost one. It would also publish what the
    handler returns to the topic that a header `reply_to` names.
    """
    message = await parse([replace(record, headers=()) for record in records])
    message.raw_message = records
    return message


async def answer_all(
    broker: KafkaBroker, brain: Brain, conversations: Sequence[Sequence[Incoming]], consumer_group: str
) -> None:
    """Answer all conversations concurrently, and the messages of each conversation one after another."""
    async with asyncio.TaskGroup() as group:
        for conversation in conversations:
            group.create_task(_answer_in_order(broker, brain, conversation, consumer_group))


async def _answer_in_order(
    broker: KafkaBroker, brain: Brain, conversation: Sequence[Incoming], consumer_group: str
) -> None:
    for incoming in conversation:
        with processing(INCOMING, incoming.headers):
            request = await reply_to(incoming, brain, consumer_group)
            if request is not None:
                await _send(broker, request, incoming.headers)


async def _send(broker: KafkaBroker, request: Mapping[str, Any], given: Mapping[str, str]) -> None:
    headers = {name: given[name] for name in _GOING_ON if name in given} | {"content-type": "application/json"}
    with sending(SEND, headers):
        value, key = json.dumps(request).encode(), request["chatbotId"].encode()
        await broker.publish(value, SEND, key=key, headers=headers)


def _fresh(conversations: Sequence[Sequence[Incoming]], max_age: timedelta, now: datetime) -> list[list[Incoming]]:
    """Without messages that are too old to be answered. A new consumer group reads everything that the topic keeps."""
    fresh = [[one for one in conversation if not one.is_older(max_age, now)] for conversation in conversations]
    old = sum(map(len, conversations)) - sum(map(len, fresh))
    if old:
        log.info("%s messages are older than AI_MAX_AGE_SECONDS and are not answered", old)
    return [conversation for conversation in fresh if conversation]


def _conversations(records: Records, skipped: Iterator[int]) -> list[list[Incoming]]:
    conversations: dict[str, list[Incoming]] = {}
    for record in records:
        headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
        incoming = read(record.value, headers, datetime.fromtimestamp(record.timestamp / 1000, UTC))
        if incoming is None:
            place = (record.topic, record.partition, record.offset)
            log.warning(
                "skipped a record that is not an event (%s since the start): %s/%s at %s", next(skipped), *place
            )
        else:
            conversations.setdefault(incoming.conversation, []).append(incoming)
    return list(conversations.values())
