"""What one client's batches may cost: errors, bytes under way, and the turns of all other requests."""

import asyncio
import json
import time

import pytest
from sender_behind import BASE, GOOD, Behind

from common.errors import InvalidInput
from sender.api.batch import MAX_BYTES, MAX_REPORTED, BatchParser
from sender.records.limits import check_batch

BATCH = f"{BASE}/send/batch"


def absurd(keys, messages=1_000):
    """Messages whose fields are nearly all unknown."""
    message = {**GOOD, "message": {"type": "text", "body": "x", **{f"unknown_{n}": 1 for n in range(keys)}}}
    return json.dumps({"messages": [message] * messages}).encode()


@pytest.mark.parametrize("keys", [1, 15, 100])
async def test_an_answer_lists_few_errors_and_counts_the_others(keys):
    async with Behind().api() as api:
        answer = await api.post(BATCH, content=absurd(keys))
    results = answer.json()["data"]["results"]
    details = [entry for result in results for entry in result["error"]["details"]]
    listed = [entry for entry in details if entry["field"]]
    assert len(listed) == MAX_REPORTED
    assert max(len(result["error"]["details"]) for result in results) <= 11
    assert len(listed) + sum(entry.get("omitted", 0) for entry in details) == 1_000 * keys
    assert len(answer.content) < 400_000


async def test_absurd_messages_are_refused_before_their_errors_are_made():
    async with Behind().api() as api:
        answer = await api.post(BATCH, content=absurd(600, 100))
        several = await api.post(BATCH, content=absurd(600).replace(b"unknown_", b"k"))
    assert {result["error"]["code"] for result in answer.json()["data"]["results"]} == {"invalid_input"}
    assert all("details" not in result["error"] for result in answer.json()["data"]["results"])
    assert (several.status_code, several.json()["error"]["message"][:21]) == (400, "the batch has more th")


EXPLODING = {
    "lists": b'{"messages":[' + b"[]," * 2_600_000 + b"[]]}",
    "objects": b'{"messages":[' + b"{}," * 2_600_000 + b"{}]}",
    "numbers": b'{"messages":[' + b"1," * 3_900_000 + b"1]}",
    "in another field": b'{"messages":[],"x":[' + b"[]," * 2_600_000 + b"[]]}",
    "strings": b'{"messages":[' + b'"",' * 2_600_000 + b'""]}',
    "deep": b'{"messages":[' + b"[" * 7_000_000,
    "keys": b"{" + b'"a":1,' * 1_300_000 + b'"b":1}',
}


@pytest.mark.parametrize("name", EXPLODING)
def test_what_grows_when_it_is_decoded_is_refused_before(name):
    began = time.perf_counter()
    with pytest.raises(InvalidInput, match="more than 250000"):
        BatchParser(EXPLODING[name])
    assert time.perf_counter() - began < 1.0


ESCAPES = {
    "never ends": b'"\\"' + b'\\"' * 3_900_000,
    "escapes": b'["' + b"\\n" * 3_900_000 + b'"]',
    "ends with an escape": b'"' + b"," * 300_000 + b"\\",
    "commas in a text": b'["' + b"," * 7_900_000 + b'"]',
}


@pytest.mark.parametrize("name", ESCAPES)
def test_what_stands_in_a_text_does_not_count_and_takes_no_time(name):
    began = time.perf_counter()
    check_batch(ESCAPES[name])
    assert time.perf_counter() - began < 1.0


def test_texts_full_of_separators_are_fine():
    message = {**GOOD, "message": '{[,"' * 1_000}
    parsing = BatchParser(json.dumps({"messages": [message] * 500}).encode())
    assert [parsing.item(place, "id").message_id for place in range(len(parsing))] == ["id"] * 500


async def stalled(length):
    """A body of `length` bytes that does not go on."""
    yield b'{"messages":['
    await asyncio.sleep(60)
    yield b" " * (length - 13)


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_beyond_the_bytes_under_way_a_batch_gets_429_before_it_is_read():
    behind = Behind()
    room = behind.batches._room
    async with behind.api() as api, behind.api("other") as other:
        headers = {"content-length": str(MAX_BYTES)}
        first = asyncio.create_task(api.post(BATCH, content=stalled(MAX_BYTES), headers=headers))
        await until(lambda: room.used == MAX_BYTES)

        async def never():
            pytest.fail("the body was read")
            yield b""

        mine = await api.post(BATCH, content=never(), headers=headers)
        assert (mine.status_code, mine.headers["retry-after"]) == (429, "1")
        assert mine.json()["error"]["code"] == "too_many_requests"
        second = asyncio.create_task(other.post(BATCH, content=stalled(MAX_BYTES), headers=headers))
        await until(lambda: room.used == 2 * MAX_BYTES)
        theirs = await other.post(BATCH, content=never())  # of no known length
        assert theirs.status_code == 429
        assert (await api.post(f"{BASE}/send", json=GOOD)).status_code == 200
        for task in (first, second):
            task.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert room.used == 0
        assert (await api.post(BATCH, json={"messages": [GOOD]})).json()["data"]["enqueued"] == 1
    assert room.used == 0


async def test_what_is_longer_than_a_batch_is_refused_by_its_length_alone():
    behind = Behind()
    async with behind.api() as api:
        headers = {"content-length": str(MAX_BYTES + 1)}
        answer = await api.post(BATCH, content=stalled(MAX_BYTES), headers=headers)
    assert answer.status_code == 413
    assert behind.batches._room.used == 0


async def test_a_large_batch_gives_others_their_turn(monkeypatch):
    """Counted in turns of the loop, not in seconds: the machine may be busy."""
    turns = 0

    async def other():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    clock = iter(range(1_000_000))
    monkeypatch.setattr("sender.api.batch_route.time.perf_counter", lambda: next(clock) * 0.001)
    behind = Behind()
    async with behind.api() as api:
        beside = asyncio.create_task(other())
        answer = await api.post(BATCH, json={"messages": [GOOD] * 1_000})
        beside.cancel()
    assert answer.json()["data"]["enqueued"] == 1_000
    assert turns >= 200  # a slice is a few steps of that clock


async def test_one_batch_is_parsed_at_a_time():
    behind = Behind()
    async with behind.api() as api:
        await behind.batches.parsing.acquire()
        waiting = asyncio.create_task(api.post(BATCH, json={"messages": [GOOD]}))
        await until(lambda: behind.batches._room.used > 0)
        assert not behind.records
        behind.batches.parsing.release()
        assert (await waiting).status_code == 200
