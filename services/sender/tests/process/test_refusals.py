"""What Meta refuses of a number, on real Kafka and MongoDB: only that waits, is told of, ends, and comes back."""

import json
import time

import pytest

from common.contracts import sends, topics
from common.kafka.records import Outgoing
from sender.journal.opt_outs import OptOutStore
from sender.records.job import lane_of

pytestmark = [pytest.mark.integration, pytest.mark.feature("outgoing")]

TEMPLATES = [f"offer_{n}" for n in range(10)]
PERSON = "+4915199999999"


def person(index):
    return f"+4915100000{index:03d}"


def template(name, to, message_id, **fields):
    message = {"type": "template", "template": {"name": name, "language": {"code": "en"}}}
    return {"to": to, "messageId": message_id, "message": message, **fields}


async def enqueue(world, chatbot, *requests):
    records = [json.dumps({"chatbotId": chatbot, **request}).encode() for request in requests]
    await world.publisher.publish([Outgoing(topics.SEND.name, chatbot, record) for record in records])


def refusing(code, world, *, names=TEMPLATES, while_=lambda: True):
    calls = []

    def answer(body, _nth):
        name = body.get("template", {}).get("name")
        calls.append(name)
        return (code, 400) if name in names and while_() else None

    world.graph.answer = answer
    return calls


async def test_replies_go_at_once_beside_ten_refused_templates(world):
    chatbot = await world.account()
    calls = refusing(131063, world)
    async with world.running(sender_pair_pace=False):
        campaign = [
            template(TEMPLATES[(n + turn) % 10], person(n), f"{turn} {n}", category="campaign")
            for n in range(8)
            for turn in range(10)
        ]
        await enqueue(world, chatbot, *campaign)
        queued = await world.until_results(chatbot, 80, sends.QUEUED)
        began = time.monotonic()
        # One has had a refused template itself.
        await enqueue(world, chatbot, *({"to": to, "message": "reply"} for to in (PERSON, person(0))))
        await world.until_results(chatbot, 2, sends.ACCEPTED)
        took = time.monotonic() - began
        await enqueue(world, chatbot, template("receipt", PERSON, "receipt"))
        await world.until_results(chatbot, 3, sends.ACCEPTED)
    assert took < 1.5
    assert {result.data.error.code for result in queued} == {131063}
    assert all(result.data.due > result.data.at for result in queued)
    # Each template was refused to one person or a few, and to the others it was not tried.
    assert len(calls) <= 3 + 40
    assert world.accounts.rejected == []


async def test_what_waited_goes_when_meta_takes_its_template_again(world):
    chatbot = await world.account()
    refused = [True]
    refusing(131063, world, while_=lambda: refused)
    async with world.running(sender_pair_pace=False, sender_pause_seconds=0.5):
        await enqueue(world, chatbot, *(template("offer_0", person(n), f"m{n}") for n in range(20)))
        await world.until_results(chatbot, 20, sends.QUEUED)
        refused.clear()
        results = await world.until_results(chatbot, 20, sends.ACCEPTED, seconds=20)
    assert {result.data.message_id for result in results} == {f"m{n}" for n in range(20)}
    assert max(result.data.attempts for result in results) == 1


async def test_what_is_refused_for_long_ends_as_failed_and_survives_restarts(world):
    chatbot = await world.account()
    refusing(134102, world)
    quick = {"sender_pause_seconds": 0.5, "sender_hold_seconds": 4.0}
    async with world.running(**quick):
        await enqueue(world, chatbot, template("offer_0", person(1), "m1"), template("offer_0", person(2), "m2"))
        await world.until_results(chatbot, 2, sends.QUEUED)
    async with world.running(**quick):
        failed = await world.until_results(chatbot, 2, sends.FAILED, seconds=20)
    assert {result.data.error.code for result in failed} == {134102}
    assert await world.letters(chatbot) == []


async def test_a_waiting_template_can_be_cancelled_and_is_shown_with_its_reason(world):
    chatbot = await world.account()
    refusing(131063, world)
    async with world.api() as api:
        await enqueue(world, chatbot, template("offer_0", person(1), "m1"))
        await world.until_results(chatbot, 1, sends.QUEUED)
        shown = (await api.get("/whatsapp-cloud/send/m1", params={"chatbotId": chatbot})).json()["data"]
        assert (shown["state"], shown["reason"]) == ("queued", "marketing_disabled")
        assert shown["due"]
        answer = await api.delete("/whatsapp-cloud/send/m1", params={"chatbotId": chatbot})
        assert answer.status_code == 200
        await world.until_results(chatbot, 1, sends.CANCELLED)


async def test_a_lost_number_is_held_and_its_account_is_told(world, eventually):
    chatbot, other = await world.account(), await world.account()
    world.graph.answer = lambda body, _nth: (100, 400, 33) if body["to"] != PERSON else None
    async with world.running():
        await world.send(chatbot, *[(person(n), f"t{n}", f"m{n}") for n in range(3)])
        await world.send(other, (PERSON, "other", None))
        await world.until_results(other, 1, sends.ACCEPTED)

        async def told():
            return [(name, said["code"]) for name, said in world.accounts.rejected] == [(chatbot, 100)]

        await eventually(told)
        world.graph.answer = lambda _body, _nth: None
        await world.account(chatbot=chatbot, revision=2)
        await world.until_results(chatbot, 3, sends.ACCEPTED)


async def test_who_has_opted_out_gets_no_more_marketing_but_everything_else(world, eventually):
    chatbot = await world.account()
    async with world.running(sender_pair_pace=False) as sender:
        await enqueue(world, chatbot, template("offer", person(1), "m1"))
        await world.until_results(chatbot, 1, sends.ACCEPTED)
        await world.status(chatbot, "m1", wamid="wamid.x", status="failed", code=131050)

        async def learnt():
            return sender.opt_outs.since(lane_of(chatbot, person(1))) is not None

        await eventually(learnt)
        await enqueue(world, chatbot, template("offer", person(1), "m2"), template("receipt", person(1), "m3"))
        await enqueue(world, chatbot, {"to": person(1), "message": "reply"}, template("offer", person(2), "m4"))
        (failed,) = await world.until_results(chatbot, 1, sends.FAILED)
        accepted = await world.until_results(chatbot, 4, sends.ACCEPTED)
    assert (failed.data.message_id, failed.data.error.reason) == ("m2", "recipient_opted_out")
    assert {"m1", "m3", "m4"} < {result.data.message_id for result in accepted}


async def test_who_has_opted_out_is_known_to_every_process_also_to_one_that_did_not_send(world, eventually):
    chatbot = await world.account()
    async with world.running(sender_pair_pace=False):
        await enqueue(world, chatbot, template("offer", person(1), "m1"))
        await world.until_results(chatbot, 1, sends.ACCEPTED)
    async with world.running(sender_pair_pace=False) as sender:  # it has not sent what it hears of now
        await world.status(chatbot, "m1", wamid="wamid.x", status="failed", code=131050)
        lane = lane_of(chatbot, person(1))

        async def noted():
            return (await OptOutStore(sender.mongo.database).of([lane]))[0] is not None

        await eventually(noted)
    async with world.running(sender_pair_pace=False):
        await enqueue(world, chatbot, template("offer", person(1), "m2"), template("receipt", person(1), "m3"))
        await enqueue(world, chatbot, template("offer", person(2), "m4"))
        (failed,) = await world.until_results(chatbot, 1, sends.FAILED)
        accepted = await world.until_results(chatbot, 3, sends.ACCEPTED)
    assert (failed.data.message_id, failed.data.error.reason) == ("m2", "recipient_opted_out")
    assert {result.data.message_id for result in accepted} == {"m1", "m3", "m4"}


async def test_an_opt_out_in_metas_answer_is_known_to_the_next_process(world):
    chatbot = await world.account()
    world.graph.answer = lambda body, _nth: (131050, 400) if body["to"] == person(1) else None
    async with world.running(sender_pair_pace=False):
        await enqueue(world, chatbot, template("offer", person(1), "m1"))
        await world.until_results(chatbot, 1, sends.FAILED)
    world.graph.answer = lambda _body, _nth: None
    async with world.running(sender_pair_pace=False):
        await enqueue(world, chatbot, template("offer", person(1), "m2"))
        failed = await world.until_results(chatbot, 2, sends.FAILED)
    assert {result.data.error.reason for result in failed} >= {"recipient_opted_out"}
