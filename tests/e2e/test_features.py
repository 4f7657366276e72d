"""Every feature, through real processes: what a chatbot team relies on."""

import itertools
import json

import pytest

from common.contracts.ids import journal_id
from testbed.client import eventually, webhook_body

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.mark.feature("verification")
async def test_meta_verifies_the_webhook_with_the_app_s_or_an_account_s_token(bot, client, system):
    assert await client.verify(system.secret.verify_token) == (200, "CHALLENGE")
    assert await client.verify(f"verify-{bot.chatbot_id}", challenge="0123") == (200, "0123")
    assert (await client.verify("not-a-token"))[0] == 403


@pytest.mark.feature("signature")
async def test_only_signed_bodies_are_taken(bot, client):
    body = webhook_body(bot.number, f"wamid.SIGNED-{bot.base}", "caf\u00e9 👋 / done", bot.phone(0))
    assert await client.deliver(body) == (200, {"success": True})
    assert (await client.deliver(body + b" ", signature=client.sign(body)))[0] == 400
    assert (await client.deliver(body, signature="sha256=" + "0" * 64))[0] == 400


@pytest.mark.feature("incoming")
@pytest.mark.feature("automatic conversation")
async def test_a_customer_s_message_makes_a_conversation_and_gets_a_reply(bot, client):
    await client.says(bot.phone(0), bot.number, "Hello", "Ada")
    await bot.settled(1, 1)
    await bot.assert_exactly_one_reply_each_in_order(1, 1)
    conversations = (await client.api("GET", f"/conversations?chatbotId={bot.chatbot_id}"))["data"]
    assert [(c["contact"]["name"], c["inboundCount"]) for c in conversations] == [("Ada", 1)]
    thread = (await client.api("GET", f"/conversations/{conversations[0]['id']}/messages"))["data"]
    assert {m["direction"] for m in thread} == {"inbound", "outbound"}
    (inbound,) = [m for m in thread if m["direction"] == "inbound"]
    assert (inbound["text"], inbound["raw"]["text"]["body"]) == ("Hello", "Hello")


@pytest.mark.feature("incoming")
async def test_half_an_emoji_and_odd_types_hide_no_message(bot, client):
    """One body: a text that was cut within an emoji, and beside it a message and values of other types than documented."""
    torn, odd = f"wamid.TORN-{bot.base}", f"wamid.ODD-{bot.base}"
    body = json.loads(webhook_body(bot.number, torn, "cut HALF", bot.phone(0)))
    value = body["entry"][0]["changes"][0]["value"]
    value["messages"].append({**value["messages"][0], "id": odd, "from": int(bot.phone(0)), "context": {"id": 5}})
    value["metadata"]["phone_number_id"] = int(bot.number)
    body["entry"][0]["time"] = "1793525400"
    sent = json.dumps(body).encode().replace(b"cut HALF", rb"cut \ud83d", 1)
    assert await client.deliver(sent) == (200, {"success": True})

    async def stored():
        found = [await client.api("GET", f"/messages/{wamid}", expect=None) for wamid in (torn, odd)]
        return found if all("data" in one for one in found) else None

    first, second = [one["data"] for one in await eventually("both messages are stored", stored)]
    assert (first["text"], first["raw"]["text"]["body"], second["text"]) == ("cut \ufffd", "cut \ufffd", "cut HALF")
    assert first["conversationId"] == second["conversationId"]


@pytest.mark.feature("incoming")
async def test_meta_s_repetitions_do_not_repeat_the_reply(bot, client):
    await client.control("POST", "faults", {"rules": [{"fault": {"kind": "duplicate", "copies": 3}}]})
    await bot.converse(3, 2)
    await bot.settled(3, 2)
    await bot.assert_exactly_one_reply_each_in_order(3, 2)


@pytest.mark.feature("outgoing")
async def test_a_message_is_sent_once_however_often_it_is_asked_for(bot, client):
    request = {
        "chatbotId": bot.chatbot_id,
        "to": f"+{bot.phone(0)}",
        "message": "Your order is ready",
        "metadata": {"orderId": 17},
        "messageId": "order-17",
    }
    await bot.open_windows(0)
    first = await client.api("POST", "/send", request)
    assert first == {
        "success": True,
        "message": "Message enqueued for sending",
        "data": {"messageId": "order-17"},
    }
    await client.api("POST", "/send", request)
    await client.api("POST", "/send", {**request, "messageId": "order-18", "message": "And another"})

    async def both():
        return len(await client.received(phone=bot.phone(0))) >= 2

    await eventually("both messages arrive", both)
    texts = [entry["body"]["text"]["body"] for entry in await client.received(phone=bot.phone(0))]
    assert texts == ["Your order is ready", "And another"]


@pytest.mark.feature("outgoing")
async def test_sends_that_cannot_be_are_refused_with_a_reason(bot, client):
    request = {"chatbotId": bot.chatbot_id, "to": "+491510000001", "message": "Hi"}
    missing = await client.api("POST", "/send", {**request, "chatbotId": "nobody"}, expect=404)
    assert missing["success"] is False
    bad = await client.api("POST", "/send", {**request, "message": "x" * 5000}, expect=400)
    assert "4096" in json.dumps(bad)
    await client.api("POST", f"/account/{bot.chatbot_id}/deactivate")

    async def refused():
        answer = await client.api("POST", "/send", request, expect=None)
        return answer.get("error", {}).get("code") == "account_deactivated"

    await eventually("a deactivated account is refused", refused)
    assert await client.status_of("POST", "/send", request) == 401


@pytest.mark.feature("accounts")
async def test_accounts_are_kept_shown_and_deactivated_without_their_secrets(bot, client):
    answer = await client.api("GET", f"/account/{bot.chatbot_id}")
    assert answer["data"]["status"] == "active"
    assert "fake" not in json.dumps(answer)
    assert "accessToken" not in json.dumps(answer)
    assert (await client.api("POST", f"/account/{bot.chatbot_id}/deactivate"))["data"]["status"] == "deactivated"
    assert (await client.api("GET", "/account/nobody", expect=404))["success"] is False


@pytest.mark.feature("status tracking")
async def test_delivery_status_goes_forward_to_read_with_its_history(bot, client):
    await bot.converse(2, 2)
    await bot.settled(2, 2)
    await bot.assert_all_read_in_store()
    (entry, *_) = await client.received(phoneNumberId=bot.number)
    message = await client.message(entry)
    assert {status["status"] for status in message["statuses"]} == {"accepted", "sent", "delivered", "read"}


@pytest.mark.feature("webhook log")
async def test_every_webhook_record_is_in_the_log(bot, client):
    await client.control(
        "POST", "webhook", {"field": "security", "value": {"event": "PIN_CHANGED"}, "phoneNumberId": bot.number}
    )
    await client.says(bot.phone(0), bot.number, "Hello")
    await bot.settled(1, 1)

    async def logged():
        entries = (await client.api("GET", "/webhook-events?limit=100"))["data"]
        mine = [e for e in entries if e.get("phoneNumberId") == bot.number]
        kinds = {(e["type"], e.get("status")) for e in mine} | {(e["type"], e.get("field")) for e in entries}
        return {("webhook.message", None), ("webhook.status", "read"), ("webhook.change", "security")} <= kinds

    await eventually("message, status and change are logged", logged)


@pytest.mark.feature("usage log")
async def test_usage_is_logged_per_send_and_per_pricing(bot, client):
    await client.says(bot.phone(0), bot.number, "Hello")
    await bot.settled(1, 1)

    async def logged():
        usage = (await client.api("GET", f"/usage?chatbotId={bot.chatbot_id}"))["data"]
        return sorted(entry["kind"] for entry in usage) == ["pricing", "send"]

    await eventually("one send and one pricing", logged)


@pytest.mark.feature("retry with 3 retries")
async def test_a_failing_send_is_tried_again_after_2_4_and_8_seconds_in_order(bot, client):
    await bot.open_windows(0)
    fault = {"kind": "error", "code": 131000}
    rule = {"match": {"to": bot.phone(0)}, "fault": fault, "times": 3}
    await client.control("POST", "faults", {"rules": [rule]})
    for number in (1, 2):
        request = {"chatbotId": bot.chatbot_id, "to": bot.phone(0), "message": f"number {number}"}
        await client.api("POST", "/send", request)

    async def both():
        return len(await client.received(phone=bot.phone(0))) >= 2

    await eventually("both arrive", both, seconds=40)
    calls = await bot.calls()
    times = [call["atMs"] for call in calls]
    gaps = [(later - earlier) / 1000 for earlier, later in itertools.pairwise(times)]
    assert [call.get("code") for call in calls][:4] == [131000, 131000, 131000, None]
    assert len(gaps) >= 3
    assert all(gap >= least for gap, least in zip(gaps, (2, 4, 8), strict=False))
    # The second message of the conversation waited behind the first.
    texts = [entry["body"]["text"]["body"] for entry in await client.received(phone=bot.phone(0))]
    assert texts == ["number 1", "number 2"]


@pytest.mark.feature("retry with 3 retries")
async def test_a_send_that_fails_for_good_ends_with_its_code(bot, client):
    await bot.open_windows(0)
    rule = {"match": {"to": bot.phone(0)}, "fault": {"kind": "error", "code": 131026}}
    await client.control("POST", "faults", {"rules": [rule]})
    request = {"chatbotId": bot.chatbot_id, "to": bot.phone(0), "message": "Hi", "messageId": "doomed"}
    await client.api("POST", "/send", request)
    journal = journal_id(bot.chatbot_id, "doomed")

    async def failed():
        message = (await client.api("GET", f"/messages/{journal}", expect=None)).get("data", {})
        return message.get("deliveryStatus") == "failed" and message

    message = await eventually("the failure is visible", failed)
    assert message["error"]["code"] == 131026
    by_message_id = await client.api("GET", f"/messages/doomed?chatbotId={bot.chatbot_id}")
    assert by_message_id["data"]["id"] == journal


async def test_a_reply_whose_answer_was_lost_is_settled_by_its_status(bot, client):
    rule = {"match": {"phone": bot.number}, "fault": {"kind": "lose_answer", "mode": "close"}, "times": 2}
    await client.control("POST", "faults", {"rules": [rule]})
    await bot.converse(2, 2)
    await bot.settled(2, 2)
    await bot.assert_exactly_one_reply_each_in_order(2, 2)
    await bot.assert_all_read_in_store()


async def test_no_secret_and_no_customer_s_words_are_in_any_log(bot, client, system):
    words = "a very private sentence"
    await client.says(bot.phone(0), bot.number, words)
    await bot.settled(1, 1)
    logs = system.all_logs()
    for service in ("ingress", "conversation", "sender", "accounts"):  # a search of nothing finds nothing
        assert any(name.startswith(service) and '"message": "serving"' in log for name, log in logs.items()), service
    for name, log in logs.items():
        for secret in (system.secret.app_secret, system.secret.api_key, system.secret.internal_key, words):
            assert secret not in log, f"{name} logs a secret or a text"
