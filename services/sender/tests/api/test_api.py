"""`POST /send` and the state of a send, over HTTP."""

import json

import pytest

from common.contracts import sends

pytestmark = pytest.mark.integration

TO = "+4915112345678"


@pytest.mark.feature("outgoing")
async def test_post_send_enqueues_and_the_state_can_be_read(world, eventually):
    chatbot = await world.account()
    async with world.api() as api:
        answer = await api.post(
            "/whatsapp-cloud/send", json={"chatbotId": chatbot, "to": TO, "message": "hi", "metadata": {"a": 1}}
        )
        assert answer.status_code == 200
        body = answer.json()
        assert (body["success"], body["message"]) == (True, "Message enqueued for sending")
        message_id = body["data"]["messageId"]
        (result,) = await world.until_results(chatbot, 1)
        state = await api.get(f"/whatsapp-cloud/send/{message_id}", params={"chatbotId": chatbot})
        missing = await api.get("/whatsapp-cloud/send/none", params={"chatbotId": chatbot})
    assert result.data.message_id == message_id
    assert result.data.request["metadata"] == {"a": 1}
    assert state.json()["data"]["state"] == "accepted"
    assert state.json()["data"]["wamid"] == result.data.wamid
    assert missing.status_code == 404


async def test_the_callers_trace_and_message_id_go_along(world):
    chatbot = await world.account()
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with world.api() as api:
        answer = await api.post(
            "/whatsapp-cloud/send",
            json={"chatbotId": chatbot, "to": TO, "message": "hi", "messageId": "mine"},
            headers={"traceparent": traceparent, "correlation-id": "order-7"},
        )
        (result,) = await world.until_results(chatbot, 1)
    assert answer.json()["data"]["messageId"] == "mine"
    assert (result.data.message_id, result.correlation_id, result.type) == ("mine", "order-7", sends.ACCEPTED)


async def test_refusals_say_what_to_do(world):
    chatbot = await world.account()
    inactive = await world.account(status="deactivated")
    async with world.api() as api:

        async def refused(body, **options):
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            answer = await api.post("/whatsapp-cloud/send", content=content, **options)
            return answer.status_code, answer.json()["error"]

        good = {"chatbotId": chatbot, "to": TO, "message": "x"}
        status, error = await refused({**good, "chatbotId": "nobody"})
        assert (status, error["code"]) == (404, "unknown_account")
        status, error = await refused({**good, "chatbotId": inactive})
        assert (status, error["code"]) == (409, "account_deactivated")
        status, error = await refused({**good, "to": "nobody"})
        assert (status, error["details"][0]["field"]) == (400, "to")
        status, error = await refused({**good, "message": "x" * 4097})
        assert status == 400
        assert {"field": "message", "limit": 4096}.items() <= error["details"][0].items()
        for junk in (b"{", b"[]", b"\xff", b"[" * 100_000, b'{"a": NaN}'):
            assert (await refused(junk))[0] == 400
        assert (await refused(b'"' + b"x" * 1_000_000 + b'"'))[0] == 413
        assert (await refused(good, headers={"authorization": "Bearer wrong"}))[0] == 401
    assert world.graph.calls == []


async def test_a_send_that_failed_after_meta_had_accepted_it_says_so(world, eventually):
    chatbot = await world.account()
    where = {"chatbotId": chatbot}
    async with world.api() as api:
        body = {**where, "to": TO, "message": "hi", "messageId": "m"}
        assert (await api.post("/whatsapp-cloud/send", json=body)).status_code == 200
        (result,) = await world.until_results(chatbot, 1, sends.ACCEPTED)
        await world.status(chatbot, "m", wamid=result.data.wamid, status="failed", code=131047)

        async def failed():
            shown = (await api.get("/whatsapp-cloud/send/m", params=where)).json()["data"]
            return shown if shown["state"] == "failed" else None

        await eventually(failed)
        shown = await failed()
    assert (shown["error"]["code"], shown["wamid"], "failedAt" in shown) == (131047, result.data.wamid, True)


async def test_an_accepted_send_is_found_at_once_and_after_a_restart_and_an_unknown_one_is_not(world):
    """Its sends wait behind one that Meta does not answer, so nothing but Kafka knows them."""
    chatbot = await world.account()
    where = {"chatbotId": chatbot}
    ids = [f"m{n}" for n in range(30)]
    world.graph.delay = 1.0
    async with world.api() as api:
        for message_id in ids:
            body = {**where, "to": TO, "message": "hi", "messageId": message_id}
            assert (await api.post("/whatsapp-cloud/send", json=body)).status_code == 200
            shown = await api.get(f"/whatsapp-cloud/send/{message_id}", params=where)
            assert shown.status_code == 200, shown.text
        assert {shown.json()["data"]["state"], "queued"} == {"queued"}
        assert shown.json()["data"]["due"]
        assert shown.json()["data"]["reason"] == "behind_others"
        assert (await api.get("/whatsapp-cloud/send/none", params=where)).status_code == 404
    async with world.api() as api:
        for message_id in ids:
            shown = await api.get(f"/whatsapp-cloud/send/{message_id}", params=where)
            assert (shown.status_code, shown.json()["data"]["state"] in ("queued", "accepted", "claimed")) == (
                200,
                True,
            )
