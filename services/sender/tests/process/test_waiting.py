"""What waits before it is sent: for its time, for its turn, for a window; and what is cancelled meanwhile."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from common.contracts import sends, topics
from common.kafka.consume.partition_session import PartitionSession
from common.kafka.records import Outgoing

pytestmark = [pytest.mark.integration, pytest.mark.feature("outgoing")]

TO = "+4915112345678"


def soon(seconds):
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def request(chatbot, message_id, to=TO, **more):
    return {"chatbotId": chatbot, "to": to, "message": message_id, "messageId": message_id, **more}


@pytest.fixture
async def post(world):
    """Enqueue requests over HTTP; the answer's data."""

    async def post(api, *bodies):
        for body in bodies:
            answer = await api.post("/whatsapp-cloud/send", json=body)
            assert answer.status_code == 200, answer.text

    return post


async def test_a_scheduled_message_goes_at_its_time_and_delays_no_other(world, post):
    chatbot = await world.account()
    async with world.api() as api:
        due = time.time() + 2
        await post(api, request(chatbot, "later", sendAt=soon(2)), request(chatbot, "now"))
        await world.until_results(chatbot, 1)
        assert world.graph.texts() == ["now"]
        shown = (await api.get("/whatsapp-cloud/send/later", params={"chatbotId": chatbot})).json()["data"]
        assert (shown["state"], shown["reason"], shown["due"]) == ("queued", "scheduled", shown["sendAt"])
        await world.until_results(chatbot, 2, sends.ACCEPTED)
    assert world.graph.texts() == ["now", "later"]
    assert world.graph.times("later")[0] >= due - 0.05


async def test_a_time_that_is_over_is_no_wait(world, post):
    chatbot = await world.account()
    async with world.api() as api:
        await post(api, request(chatbot, "late", sendAt=soon(-60)))
        await world.until_results(chatbot, 1, sends.ACCEPTED, seconds=10)


async def test_scheduled_messages_survive_restarts_and_failures_and_go_once(world, monkeypatch):
    chatbot = await world.account()
    commit, broken = PartitionSession.commit, []

    async def breaks_twice(session, outgoing, offsets):
        if any(record.topic == "whatsapp-cloud-send" for record in outgoing) and len(broken) < 2:
            broken.append(1)
            raise RuntimeError("injected")
        await commit(session, outgoing, offsets)

    monkeypatch.setattr(PartitionSession, "commit", breaks_twice)
    async with world.api() as api:
        for n in range(20):
            body = request(chatbot, f"m{n}", to=f"+4915100000{n:03d}", sendAt=soon(3))
            for _ in range(2):  # a producer that repeats itself
                assert (await api.post("/whatsapp-cloud/send", json=body)).status_code == 200
        await all_scheduled(api, chatbot, 20)
    async with world.running():
        results = await world.until_results(chatbot, 20, sends.ACCEPTED, seconds=40)
    assert broken
    assert sorted(world.graph.texts()) == sorted(f"m{n}" for n in range(20))
    assert {result.data.message_id for result in results} == {f"m{n}" for n in range(20)}


async def all_scheduled(api, chatbot, count):
    """Wait until the sender has them in its store."""
    for n in range(count):
        while True:
            answer = await api.get(f"/whatsapp-cloud/send/m{n}", params={"chatbotId": chatbot})
            assert answer.status_code == 200, answer.text
            if answer.json()["data"]["reason"] == "scheduled":
                break


async def test_a_message_that_waits_can_be_cancelled_and_never_goes(world, post, eventually):
    chatbot = await world.account()
    async with world.api() as api:
        await post(api, request(chatbot, "scheduled", sendAt=soon(1.5)), request(chatbot, "sent"))
        await world.until_results(chatbot, 1, sends.ACCEPTED)

        async def cancel(message_id):
            return await api.delete(f"/whatsapp-cloud/send/{message_id}", params={"chatbotId": chatbot})

        for message_id in ("scheduled", "unheard-of", "scheduled"):
            answer = await cancel(message_id)
            assert (answer.status_code, answer.json()["data"]["state"]) == (200, "cancelled")
        too_late = await cancel("sent")
        assert (too_late.status_code, too_late.json()["error"]["code"]) == (409, "not_cancellable")
        await post(api, request(chatbot, "unheard-of"), request(chatbot, "last"))
        results = await world.until_results(chatbot, 2, sends.CANCELLED)
        await world.until_results(chatbot, 4)
        assert sum(1 for result in results if result.type == sends.CANCELLED) == 2
        await eventually(lambda: world_has(world, "last"))
    assert world.graph.texts() == ["sent", "last"]


async def enqueued(world, *bodies):
    """Records on the topic, as any producer writes them."""
    await world.publisher.publish(
        [Outgoing(topics.SEND.name, body["chatbotId"], json.dumps(body).encode()) for body in bodies]
    )


async def world_has(world, text):
    return text in world.graph.texts()


async def test_what_expires_while_it_waits_is_not_sent(world, post):
    chatbot = await world.account()
    world.graph.answer = lambda body, nth: (131056, 400) if body["text"]["body"] == "first" and nth == 1 else None
    async with world.api() as api:
        await post(api, request(chatbot, "first"), request(chatbot, "short-lived", expiresAt=soon(0.4)))
        (expired,) = await world.until_results(chatbot, 1, sends.EXPIRED)
        await world.until_results(chatbot, 2)
    assert expired.data.message_id == "short-lived"
    assert "short-lived" not in world.graph.texts()


async def test_a_batch_tells_of_each_and_repeats_nothing(world):
    chatbot = await world.account()
    good = [{"to": f"+4915100000{n:03d}", "message": f"m{n}"} for n in range(30)]
    body = {"chatbotId": chatbot, "batchId": "spring", "messages": [*good, {"to": "x", "message": ""}]}
    async with world.api() as api:
        first, again = [(await api.post("/whatsapp-cloud/send/batch", json=body)).json()["data"] for _ in range(2)]
        too_many = await api.post(
            "/whatsapp-cloud/send/batch", json={"chatbotId": chatbot, "messages": [good[0]] * 1_001}
        )
        await world.until_results(chatbot, 30, sends.ACCEPTED)
        await api.post("/whatsapp-cloud/send", json=request(chatbot, "after"))
        await world.until_results(chatbot, 31, sends.ACCEPTED)
    assert too_many.status_code == 400
    assert first == again
    assert [result["success"] for result in first["results"]] == [True] * 30 + [False]
    assert first["results"][-1]["error"]["details"][0]["field"]
    assert sorted(world.graph.texts()) == sorted([f"m{n}" for n in range(30)] + ["after"])


async def test_a_conversation_message_goes_before_a_campaign_but_not_within_its_conversation(world):
    chatbot = await world.account()
    world.graph.delay = 0.05
    people = [f"+4915100000{n:03d}" for n in range(60)]
    campaign = [{"to": to, "message": f"campaign {to}"} for to in people]
    async with world.running(sender_max_in_flight=2, sender_messages_per_second=15):
        await enqueued(world, *({"chatbotId": chatbot, "category": "campaign", **item} for item in campaign))
        await world.until_results(chatbot, 3)
        await world.send(chatbot, ("+4915199999999", "reply", None), (people[-1], "after the campaign", None))
        await world.until_results(chatbot, 62, seconds=60)
    texts = world.graph.texts()
    assert texts.index("reply") < 50
    assert texts.index(f"campaign {people[-1]}") < texts.index("after the campaign") < 60


@pytest.fixture
async def conversation():
    """The internal listener of conversation: who has written, and when."""

    class Fake:
        def __init__(self):
            self.until, self.asked, self.away = {}, 0, False

        async def windows(self, http):
            self.asked += 1
            if self.away:
                return web.Response(status=503)
            pairs = (await http.json())["pairs"]
            return web.json_response({"data": [{"until": self.until.get(pair["to"])} for pair in pairs]})

    fake = Fake()
    app = web.Application()
    app.router.add_post("/internal/windows", fake.windows)
    async with TestServer(app) as server:
        fake.url = str(server.make_url("")).rstrip("/")
        yield fake


@pytest.fixture
def checked(conversation):
    """Settings with which windows are asked for."""
    return {"conversation_internal_url": conversation.url, "conversation_internal_key": SecretStr("wk_fake_windows")}


def template():
    return {"type": "template", "template": {"name": "news", "language": {"code": "en"}}}


async def test_outside_a_window_only_templates_go(world, conversation, checked):
    chatbot = await world.account()
    conversation.until[TO] = soon(-1)
    async with world.running(**checked):
        await enqueued(world, request(chatbot, "refused"), request(chatbot, "news") | {"message": template()})
        results = {result.data.message_id: result for result in await world.until_results(chatbot, 2)}
        conversation.until[TO] = soon(3_600)
        await enqueued(world, request(chatbot, "taken"), request(chatbot, "taken too"))
        await world.until_results(chatbot, 4)
        asked = conversation.asked
        await enqueued(world, request(chatbot, "remembered"))
        await world.until_results(chatbot, 5)
    refused = results["refused"]
    assert (refused.type, refused.data.error.reason, refused.data.attempts) == (sends.FAILED, "window_closed", 0)
    assert results["news"].type == sends.ACCEPTED
    kinds = [body["type"] for _, body, _ in world.graph.calls]
    assert kinds == ["template", "text", "text", "text"]
    assert conversation.asked == asked


@pytest.mark.parametrize("away", [True, False])
async def test_while_windows_are_not_known_meta_decides(world, conversation, checked, away):
    chatbot = await world.account()
    conversation.away = away
    async with world.running(**checked):
        await enqueued(world, request(chatbot, "tried"))
        (result,) = await world.until_results(chatbot, 1)
    assert result.type == sends.ACCEPTED
    assert conversation.asked


async def test_a_number_is_never_faster_than_its_limit_also_when_its_owner_changes(world):
    chatbot = await world.account()
    world.graph.delay = 0.03
    bodies = [request(chatbot, f"m{n}", to=f"+4915100000{n:03d}") for n in range(100)]
    async with world.running(sender_messages_per_second=20):
        await enqueued(world, *bodies)
        await world.until_results(chatbot, 45)
    async with world.running(sender_messages_per_second=20):
        await world.until_results(chatbot, 100, seconds=40)
    times = sorted(at for _, _, at in world.graph.calls)
    assert len(times) == 100
    assert max(sum(1 for other in times if at <= other < at + 1.0) for at in times) <= 20
