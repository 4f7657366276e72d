"""`wa dlq` on real Kafka: what an operator sees, what goes back, and that it goes back once."""

import asyncio
import json
import os
import uuid

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from common.contracts import topics
from common.kafka.clients import connection, make_producer
from common.kafka.records import Outgoing
from common.kafka.settings import KafkaSettings
from wa.__main__ import main
from wa.dlq.letters import parse_position
from wa.dlq.plan import Order, audit_of, record_of
from wa.dlq.reading import read_positions
from wa.dlq.replaying import producer_of, replay, write
from wa.errors import Failed

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(kafka_bootstrap):
    return KafkaSettings(kafka_bootstrap_servers=kafka_bootstrap)


@pytest.fixture
def chatbot():
    return f"bot-{uuid.uuid4().hex}"


@pytest.fixture
def wa(kafka_bootstrap, capsys):
    """Runs `wa dlq …` as the program does; (exit code, output, complaints)."""

    async def run(*arguments):
        # A thread of its own: the program has its own event loop.
        code = await asyncio.to_thread(main, ["dlq", *map(str, arguments), "--bootstrap", kafka_bootstrap])
        return (code, *capsys.readouterr())

    return run


async def bury(settings, *records):
    """Write dead-letter records; their positions."""
    producer = make_producer(settings)
    await producer.start()
    try:
        return [await _bury(producer, *record) for record in records]
    finally:
        await producer.stop()


async def _bury(producer, topic, key, value, headers):
    pairs = [(name, text.encode()) for name, text in headers.items()]
    at = await producer.send_and_wait(topic.name, value, key=key.encode(), headers=pairs)
    return parse_position(f"{at.topic}/{at.partition}/{at.offset}")


def dead_send(chatbot, number=0, **headers):
    value = json.dumps({"chatbotId": chatbot, "to": "+491510000001", "message": f"Dear Ann {number}"}).encode()
    told = {
        "reason": "rate_limited",
        "code": "131056",
        "attempts": "4",
        "message-id": f"m{number}",
        "event-id": uuid.uuid4().hex,
    }
    return topics.SEND_DLQ, chatbot, value, {**told, **headers}


async def written(settings, topic, wanted, isolation="read_committed"):
    """The records of `topic` for which `wanted` holds, once every transaction of a replay has its end on the log."""
    async with producer_of(settings):  # opening it waits for the markers of the last commit
        consumer = AIOKafkaConsumer(
            topic.name, **connection(settings), isolation_level=isolation, auto_offset_reset="earliest"
        )
    await consumer.start()
    try:
        ends, found = await consumer.end_offsets(list(consumer.assignment())), []
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found += [record for record in records if wanted(record)]
        return found
    finally:
        await consumer.stop()


async def sends_of(settings, chatbot):
    return await written(settings, topics.SEND, lambda record: record.key == chatbot.encode())


async def audits_of(settings, chatbot):
    return await written(settings, topics.DLQ_AUDIT, lambda record: chatbot.encode() in record.value)


async def test_list_inspect_and_replay(settings, chatbot, wa):
    dead = dead_send(chatbot, traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01", replays="1")
    first, second = await bury(settings, dead, dead_send(chatbot, 1, reason="expired", code="17"))

    code, text, _ = await wa("list", "--chatbot", chatbot, "--since", "1h")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()[:2]] == [str(first), str(second)]
    assert "2 of 2 letters\n       1  expired\n       1  rate_limited\n" in text
    assert "Dear Ann" not in text
    assert "49151" not in text

    code, text, _ = await wa("inspect", first)
    assert code == 0
    assert "131056" in text
    assert "Dear Ann" not in text
    assert '"message": "Dear Ann 0"' in (await wa("inspect", first, "--body"))[1]

    code, text, _ = await wa(
        "replay", "--chatbot", chatbot, "--reason", "rate_limited", "--by", "ann", "--because", "mended", "--yes"
    )
    assert (code, text.splitlines()[-1]) == (0, "replayed 1 letters")
    (record,) = await sends_of(settings, chatbot)
    headers = {name: value.decode() for name, value in record.headers}
    assert (record.value, headers["replay"], headers["replay-of"]) == (dead[2], "2", str(first))
    assert headers["traceparent"] == dead[3]["traceparent"]
    (audit,) = await audits_of(settings, chatbot)
    assert audit.key.decode() == str(first)
    assert {"by": "ann", "because": "mended", "letter": str(first)}.items() <= json.loads(audit.value).items()

    rows = [json.loads(row) for row in (await wa("list", "--chatbot", chatbot, "--json"))[1].splitlines()]
    assert [row["replayed"] and row["replayed"]["by"] for row in rows] == ["ann", None]


async def test_replaying_twice_changes_nothing(settings, chatbot, wa):
    positions = await bury(settings, *[dead_send(chatbot, number) for number in range(3)])
    assert (await wa("replay", *positions, "--by", "ann", "--yes"))[0] == 0
    code, text, _ = await wa("replay", "--chatbot", chatbot, "--by", "bob", "--yes")
    assert code == 0
    assert text.count("already replayed at") == 3
    assert "by ann" in text
    assert len(await sends_of(settings, chatbot)) == len(await audits_of(settings, chatbot)) == 3


async def test_what_another_operator_put_back_while_one_was_asked_is_skipped(settings, chatbot):
    letters = await read_positions(settings, await bury(settings, dead_send(chatbot), dead_send(chatbot, 1)))
    await replay(settings, letters[:1], Order("bob"), lambda _: None)
    plan = await replay(settings, letters, Order("ann"), lambda _: None)
    assert [len(plan.ready), [entry.by for _, entry in plan.done]] == [1, ["bob"]]
    assert len(await sends_of(settings, chatbot)) == 2


async def test_a_letter_that_died_again_can_be_replayed_again(settings, chatbot, wa):
    for replays in ("0", "1"):
        (position,) = await bury(settings, dead_send(chatbot, replays=replays))
        assert (await wa("replay", position, "--by", "ann", "--yes"))[0] == 0
    numbers = [dict(record.headers)["replay"] for record in await sends_of(settings, chatbot)]
    assert numbers == [b"1", b"2"]


async def test_more_than_a_batch_goes_back_in_its_order(settings, chatbot, wa):
    await bury(settings, *[dead_send(chatbot, number) for number in range(230)])
    code, _, progress = await wa("replay", "--chatbot", chatbot, "--by", "ann", "--yes")
    assert code == 0
    assert [line for line in progress.splitlines() if "replayed" in line] == [
        f"replayed {n} of 230" for n in (100, 200, 230)
    ]
    told = [dict(record.headers)["message-id"].decode() for record in await sends_of(settings, chatbot)]
    assert told == [f"m{number}" for number in range(230)]


async def test_webhooks_go_back_to_their_origin_and_nowhere_else(settings, wa):
    mark = uuid.uuid4().hex
    headers = {
        "reason": "sentence",
        "code": "not_applicable",
        "origin-topic": topics.SEND_RESULTS.name,
        "correlation-id": mark,
    }
    value = json.dumps({"id": mark}).encode()
    good, bad = await bury(
        settings,
        (topics.WEBHOOKS_DLQ, mark, value, headers),
        (topics.WEBHOOKS_DLQ, mark, value, {**headers, "origin-topic": topics.ACCOUNTS.name}),
    )
    code, text, _ = await wa("replay", good, bad, "--by", "ann", "--yes")
    assert code == 0
    assert f"{bad} refused" in text
    (record,) = await written(settings, topics.SEND_RESULTS, lambda r: r.value == value)
    assert (record.key.decode(), dict(record.headers)["correlation-id"].decode()) == (mark, mark)
    assert not await written(settings, topics.ACCOUNTS, lambda r: r.value == value)


async def test_a_send_in_doubt_is_refused(settings, chatbot, wa):
    (position,) = await bury(settings, dead_send(chatbot, reason="in_doubt_unresolved"))
    code, text, complaint = await wa("replay", position, "--by", "ann", "--yes")
    assert code == 3
    assert "could send it twice" in text
    assert "nothing was replayed" in complaint
    assert await sends_of(settings, chatbot) == []


async def test_a_dry_run_and_a_no_write_nothing(settings, chatbot, wa, monkeypatch):
    (position,) = await bury(settings, dead_send(chatbot))
    code, text, _ = await wa("replay", position, "--by", "ann", "--dry-run")
    assert (code, text) == (0, "1 letters to replay\n       1  rate_limited\n")
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert (await wa("replay", position, "--by", "ann"))[0] == 3
    assert await sends_of(settings, chatbot) == await audits_of(settings, chatbot) == []
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert (await wa("replay", position, "--by", "ann"))[0] == 0
    assert len(await sends_of(settings, chatbot)) == 1


async def test_an_error_in_the_middle_leaves_neither_record(settings, chatbot):
    (letter,) = await read_positions(settings, await bury(settings, dead_send(chatbot)))
    pair = [record_of(letter), audit_of(letter, Order("ann"), letter.at)]
    too_large = Outgoing(
        topics.SEND.name, chatbot, os.urandom(topics.SEND.max_message_bytes + 1)
    )  # the broker refuses it
    with pytest.raises(KafkaError):
        async with producer_of(settings) as producer:
            await write(producer, [*pair, too_large])
    # The audit record reached the log, but no reader gets it.
    assert await written(settings, topics.DLQ_AUDIT, lambda r: r.value == pair[1].value, "read_uncommitted")
    assert await sends_of(settings, chatbot) == await audits_of(settings, chatbot) == []
    await replay(settings, [letter], Order("ann"), lambda _: None)
    assert len(await sends_of(settings, chatbot)) == len(await audits_of(settings, chatbot)) == 1


async def test_a_second_operator_ends_the_run_of_the_first(settings, chatbot):
    letters = await read_positions(settings, await bury(settings, *[dead_send(chatbot, n) for n in range(150)]))
    second_began = []

    def say(_):
        """After the first batch, another operator opens the producer."""
        second_began.append(asyncio.run_coroutine_threadsafe(_open(settings), loop).result(30))

    loop = asyncio.get_running_loop()
    with pytest.raises(Failed, match=r"another operator started a replay, which ended this run after 100 letters"):
        await asyncio.to_thread(lambda: asyncio.run(replay(settings, letters, Order("ann"), say)))
    assert second_began == [True]
    assert len(await sends_of(settings, chatbot)) == len(await audits_of(settings, chatbot)) == 100

    plan = await replay(settings, letters, Order("bob"), lambda _: None)
    assert [len(plan.done), len(plan.ready)] == [100, 50]
    assert len(await sends_of(settings, chatbot)) == 150


async def _open(settings):
    async with producer_of(settings):
        return True


async def test_a_position_without_a_letter_is_said_to_have_none(wa):
    for position in ("send/0/99999999", "send/77/0"):
        code, _, complaint = await wa("inspect", position)
        assert code == 1
        assert "there is no letter at" in complaint


async def test_neither_everything_nor_both_by_accident(wa):
    for arguments in ((), ("send/0/1", "--topic", "send")):
        code, _, complaint = await wa("replay", *arguments, "--by", "ann", "--yes")
        assert code == 2
        assert "say which letters" in complaint


def test_kafka_that_is_away_is_one_sentence(capsys):
    assert main(["dlq", "list", "--bootstrap", "127.0.0.1:1"]) == 1
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert "Kafka at 127.0.0.1:1 does not answer" in complaint
