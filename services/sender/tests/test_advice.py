"""What `POST /send` warns of: known problems only, never at the price of a wait or a refusal."""

import asyncio
import time

import msgspec
import pytest
from sender_behind import BASE, GOOD, NOW, Behind
from sender_session import RESULTS, World, until

from common.errors import Unavailable
from sender.advice import SECONDS
from sender.content import differs, digest_of
from sender.journal import State
from sender.moves import blank

TEMPLATE = {"type": "template", "template": {"name": "n", "language": {"code": "en"}}}


async def warned(behind, **fields):
    async with behind.api() as api:
        answer = await api.post(f"{BASE}/send", json={**GOOD, **fields})
    assert answer.status_code == 200, answer.text
    return [found["code"] for found in answer.json().get("warnings", [])]


async def test_what_is_well_has_no_warning():
    assert await warned(Behind(), messageId="m") == []


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({}, ["window_closed"]),
        ({"message": {"type": "text", "body": "x"}}, ["window_closed"]),
        ({"message": TEMPLATE}, []),
        ({"sendAt": "2999-01-01T00:00:00Z"}, []),
        ({"sendAt": "2020-01-01T00:00:00Z"}, ["window_closed"]),
    ],
)
async def test_a_closed_window_is_told_where_it_matters(fields, codes):
    behind = Behind()
    behind.window_closed = True
    assert await warned(behind, **fields) == codes
    assert len(behind.records) == 1


async def test_a_number_that_meta_refuses_is_told():
    behind = Behind()
    behind.held = {"bot"}
    assert await warned(behind) == ["number_held"]


@pytest.mark.parametrize("more", [{"message": "other"}, {"metadata": {"a": 1}}, {"to": "+4915112345679"}])
async def test_another_content_of_a_message_id_is_a_duplicate_and_a_repetition_is_none(more):
    behind = Behind()
    async with behind.api() as api:

        async def post(**fields):
            answer = await api.post(f"{BASE}/send", json={**GOOD, "messageId": "m", **fields})
            return [found["code"] for found in answer.json().get("warnings", [])]

        assert [await post(), await post(), await post(**more), await post()] == [[], [], ["duplicate"], []]


async def test_the_journal_knows_what_another_process_has_taken():
    behind = Behind()

    async def load(_journal_id):
        return blank("j", "bot", "m", GOOD["to"], NOW, digest=digest_of({**GOOD, "message": "other"}))

    behind.load = load
    assert await warned(behind, messageId="m") == ["duplicate"]
    assert await warned(behind, messageId="m", message="other") == []


@pytest.mark.parametrize("trouble", ["slow", "away", "broken"])
async def test_a_warning_that_cannot_be_had_holds_nobody_up(trouble):
    behind = Behind()

    async def load(_journal_id):
        if trouble == "slow":
            await asyncio.sleep(60)
        raise Unavailable("MongoDB is away") if trouble == "away" else RuntimeError(trouble)

    behind.load = load
    began = time.monotonic()
    assert await warned(behind, messageId="m") == []
    assert time.monotonic() - began < 50 * SECONDS
    assert len(behind.records) == 1


def test_a_digest_is_of_the_content_alone():
    one = {"a": 1, "b": {"c": 2, "d": 3}, "messageId": "x"}
    assert digest_of(one) == digest_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest_of(one) != digest_of({**one, "a": 2})
    assert digest_of(None) is None
    assert not differs(blank("j", "b", "m", "", NOW), "x")  # written before there were digests


async def test_a_record_with_another_content_is_told_as_a_duplicate_and_changes_nothing():
    world = World()

    def standing(job, _outcome):
        entry = blank(job.journal_id, "b", "m", job.to, NOW, digest=digest_of({"message": "the first"}))
        return msgspec.structs.replace(entry, state=State.ACCEPTED, wamid="w")

    world.flow.recorded, world.flow._entry = False, standing
    world.ask("m")
    async with world.running():
        await until(lambda: world.kafka.to(RESULTS))
    (told,) = world.kafka.results()
    assert (told["type"], told["data"]["error"]["reason"]) == ("send.duplicate", "duplicate")
    assert "request" not in told["data"]
