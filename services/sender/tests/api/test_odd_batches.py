"""What a real broker takes of producers with other clients, and what becomes of it: nothing stops a partition."""

import json

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

from common.contracts import sends, topics
from common.kafka.clients import connection
from common.kafka.wire.partitioner import partition_of

pytestmark = pytest.mark.integration

HEAD_BYTES = 61


async def write(settings, chatbot, *names, codec=None, patch=lambda body: body):
    """Have one batch written, with a request of each name, whose bytes behind the head are patched; its partition."""
    async with AIOKafkaProducer(**connection(settings), compression_type=codec) as producer:
        batch = producer.create_batch()
        for name in names:
            request = {"chatbotId": chatbot, "to": "+4915112345678", "message": name, "messageId": name}
            batch.append(key=None, value=json.dumps(request).encode(), timestamp=None, headers=[("mark!", b"h")])
        batch.close()
        whole = bytes(batch._build())
        head, body = bytearray(whole[:HEAD_BYTES]), patch(whole[HEAD_BYTES:])
        head[8:12] = (HEAD_BYTES + len(body) - 12).to_bytes(4, "big")
        head[17:21] = calc_crc32c(bytes(head[21:]) + body).to_bytes(4, "big")
        batch._buffer = bytearray(head + body)
        at = partition_of(chatbot, len(await producer.partitions_for(topics.SEND.name)))
        await (await producer.send_batch(batch, topics.SEND.name, partition=at))
    return str(at)


def badly_named(body):
    assert b"mark!" in body
    return body.replace(b"mark!", b"ab\xff\xfe!")


def with_more_behind(body):
    """What the broker takes, as Java does, and no library of ours."""
    return body + b"xx"


async def test_whatever_a_broker_takes_is_sent_or_a_dead_letter_and_what_is_behind_it_is_sent(world):
    chatbot = await world.account()
    settings = world.settings
    await write(settings, chatbot, "plain-1", "plain-2")
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        await write(settings, chatbot, f"{codec}-1", f"{codec}-2", codec=codec)
    await write(settings, chatbot, "named-1", "named-2", patch=badly_named)
    await write(settings, chatbot, "lost-1", "lost-2", codec="lz4", patch=with_more_behind)
    at = await write(settings, chatbot, "last")
    kinds = ("plain", "gzip", "snappy", "lz4", "zstd", "named")
    wanted = [*(f"{kind}-{n}" for kind in kinds for n in (1, 2)), "last"]
    async with world.running():
        results = await world.until_results(chatbot, len(wanted))
    assert {result.type for result in results} == {sends.ACCEPTED}
    assert world.graph.texts() == wanted
    dead = [headers for headers, _ in await world.read(topics.SEND_DLQ) if headers["reason"] == "unreadable"]
    letters = [headers for headers in dead if headers["origin-partition"] == at]
    assert "truncated frame" in letters[-1]["details"]
