"""What `POST /send` warns of: known problems only, never at the price of a wait or a refusal."""

import asyncio
import time
from datetime import timedelta

import msgspec
import pytest
from sender_behind import BASE, GOOD, NOW, Behind
from sender_session import RESULTS, World, until

from common.contracts.journal import State
from common.errors import Unavailable
from sender.api.warnings import SECONDS
from sender.clock import utc_now
from sender.delivery.transitions import new_entry
from sender.journal.content import differs, digest_of

TEMPLATE = {"type": "template", "template": {"name": "n", "language": {"code": "en"}}}


async def answered(behind, *bodies, **fields):
    """The answers to these, or to one with `fields`, of one process; the last of them."""
    async with behind.api() as api:
        answers = [await api.post(f"{BASE}/send", json={**GOOD, **body}) for body in bodies or [fields]]
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    told = [answer.json() for answer in answers]
    return told if bodies else told[0]


def codes_of(answer):
    return [found["code"] for found in answer.get("warnings", [])]


async def warned(behind, **fields):
    return codes_of(await answered(behind, **fields))


async def batch(behind, *batches, **fields):
    """What one process says of batches of these messages, one after the other."""
    async with behind.api() as api:
        bodies = [{"chatbotId": "bot", "messages": messages, **fields} for messages in batches]
        answers = [await api.post(f"{BASE}/send/batch", json=body) for body in bodies]
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    told = [answer.json() for answer in answers]
    return [(each["message"], [codes_of(result) for result in each["data"]["results"]]) for each in told]


def journal(behind, **fields):
    """Have the journal know every id asked for; created long ago."""

    async def load(_journal_id):
        return msgspec.structs.replace(new_entry("j", "bot", "m", GOOD["to"], NOW), **fields)

    behind.load = load


async def test_what_is_well_has_no_warning():
    assert await warned(Behind(), messageId="m") == []


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({}, ["window_closed"]),
        ({"message": {"type": "text", "body": "x"}}, ["window_closed"]),
        ({"message": TEMPLATE}, []),
        ({"sendAt": "2999-01-01T00:00:00Z"}, []),
        ({"sendAt": "2020-01-01T00:00:00Z"}, ["window_closed", "send_at_past"]),
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
        return new_entry("j", "bot", "m", GOOD["to"], NOW, digest=digest_of({**GOOD, "message": "other"}))

    behind.load = load
    assert await warned(behind, messageId="m") == ["duplicate"]
    assert await warned(behind, messageId="m", message="other") == []


NOT_SENT = "This messageId was cancelled; the message will not be sent"
OTHER = "Another content has this messageId; this message will not be sent"
AGAIN = "This message was enqueued before; it is not sent twice"
NEW = "Message enqueued for sending"


async def test_an_id_that_was_cancelled_before_it_was_accepted_is_told():
    behind = Behind()
    journal(behind, state=State.CANCELLED)
    answer = await answered(behind, messageId="m")
    assert (codes_of(answer), answer["message"]) == (["cancelled"], NOT_SENT)
    assert await batch(behind, [{"to": GOOD["to"], "message": "x", "messageId": "m"}]) == [
        ("0 messages enqueued for sending; 1 will not be sent (see `warnings`)", [["cancelled"]]),
    ]
    assert len(behind.records) == 2  # its end is told on `message-status`


async def test_the_message_of_an_answer_says_what_happened():
    behind = Behind()
    mine = {"messageId": "m"}
    told = await answered(behind, mine, mine, {**mine, "message": "other"}, mine, {}, {})
    assert [answer["message"] for answer in told] == [NEW, AGAIN, OTHER, AGAIN, NEW, NEW]


async def test_a_repetition_is_known_from_the_journal_unless_the_entry_may_be_its_own():
    behind = Behind()
    journal(behind, state=State.ACCEPTED)
    assert (await answered(behind, messageId="m"))["message"] == AGAIN
    journal(behind, created_at=utc_now() + timedelta(seconds=60))
    assert (await answered(behind, messageId="n"))["message"] == NEW


async def test_what_could_not_be_written_was_not_enqueued_before():
    behind = Behind()
    behind.error = Unavailable("Kafka is away")
    message = {**GOOD, "messageId": "m"}
    async with behind.api() as api:
        assert (await api.post(f"{BASE}/send", json=message)).status_code == 503
        assert (await api.post(f"{BASE}/send/batch", json={"messages": [message]})).status_code == 503
        behind.error = None
        assert (await api.post(f"{BASE}/send", json=message)).json()["message"] == NEW


async def test_a_batch_says_what_happened_to_its_messages():
    behind = Behind()
    three = [{"to": GOOD["to"], "message": f"m{n}"} for n in range(3)]
    other = "2 enqueued before and not sent twice; 1 will not be sent (see `warnings`)"
    assert await batch(behind, three, [*three[:2], {**three[2], "message": "other"}], batchId="b") == [
        ("3 messages enqueued for sending", [[], [], []]),
        (f"0 messages enqueued for sending; {other}", [[], [], ["duplicate"]]),
    ]
    assert await batch(behind, three[:1], three[:1]) == [("1 message enqueued for sending", [[]])] * 2


async def test_a_batch_without_ids_asks_nothing_and_one_with_ids_once():
    behind, asked = Behind(), []

    async def load_all(journal_ids):
        asked.append(len(journal_ids))
        return [None] * len(journal_ids)

    behind.load_all = load_all
    many = [{"to": GOOD["to"], "message": f"m{n}"} for n in range(200)]
    await batch(behind, many)
    await batch(behind, [*many, {**many[0], "sendAt": "2020-01-01T00:00:00Z"}], batchId="b")
    assert asked == [201]


async def test_a_send_at_in_the_past_is_told_of_each_message():
    past, later = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
    behind = Behind()
    assert await warned(behind, sendAt=past) == ["send_at_past"]
    assert await warned(behind, sendAt=later) == []
    messages = [{"to": GOOD["to"], "message": "x", "sendAt": at} for at in (past, later)]
    assert (await batch(behind, messages))[0][1] == [["send_at_past"], []]


async def test_what_has_expired_already_is_refused_with_a_reason():
    behind, at = Behind(), "2020-01-01T00:00:00Z"
    async with behind.api() as api:
        answer = await api.post(f"{BASE}/send", json={**GOOD, "expiresAt": at})
        of_batch = await api.post(f"{BASE}/send/batch", json={"messages": [{**GOOD, "expiresAt": at}, GOOD]})
    (result, _) = of_batch.json()["data"]["results"]
    assert (answer.status_code, result["success"], len(behind.records)) == (400, False, 1)
    for error in (answer.json()["error"], result["error"]):
        assert error["message"] == "`expiresAt` is in the past: the message would never be sent"
        assert error["details"][0]["field"] == "expiresAt"


@pytest.mark.parametrize("trouble", ["slow", "away", "broken"])
async def test_a_warning_that_cannot_be_had_delays_no_caller(trouble):
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
    assert not differs(new_entry("j", "b", "m", "", NOW), "x")  # written before there were digests


async def test_a_record_with_another_content_is_told_as_a_duplicate_and_changes_nothing():
    world = World()

    def standing(job, _outcome):
        entry = new_entry(job.journal_id, "b", "m", job.to, NOW, digest=digest_of({"message": "the first"}))
        return msgspec.structs.replace(entry, state=State.ACCEPTED, wamid="w")

    world.flow.recorded, world.flow._entry = False, standing
    world.ask("m")
    async with world.running():
        await until(lambda: world.kafka.to(RESULTS))
    (told,) = world.kafka.results()
    assert (told["type"], told["data"]["error"]["reason"]) == ("send.duplicate", "duplicate")
    assert "request" not in told["data"]
