"""What we know of a message when Meta's word of it comes late, or without our callback data."""

import pytest

from testbed.client import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


async def told_again(bot, times):
    """Wait until Meta has sent each status so many times without success; the one message that it has."""

    async def so():
        entries = await bot.client.received(phoneNumberId=bot.number)
        attempts = [len(status["attempts"]) for entry in entries for status in entry["statuses"]]
        return entries if attempts and max(attempts) >= times else None

    return await eventually("Meta has come again and again", so, seconds=60)


async def test_an_answer_lost_while_all_webhooks_are_refused_for_longer_than_the_window_is_no_reason_to_send_again(bot):
    """The window of these tests is 6 s. Meta comes again each second."""
    client = bot.client
    await bot.open_windows(0)
    rule = {"match": {"phone": bot.number}, "fault": {"kind": "lose_answer", "mode": "close"}, "times": 1}
    await client.control("POST", "faults", {"rules": [rule]})
    await client.control("POST", "config", {"appSecret": "fake-secret-of-another-app"})
    try:
        send = {"chatbotId": bot.chatbot_id, "to": f"+{bot.phone(0)}", "message": "once", "messageId": "m1"}
        await client.api("POST", "/send", send)
        assert len(await told_again(bot, times=12)) == 1
    finally:
        await client.control("POST", "config", {"appSecret": bot.system.secret.app_secret})
    await bot.assert_all_read_in_store()
    assert len(await client.received(phoneNumberId=bot.number)) == 1
    assert len(await bot.calls()) == 1


async def test_statuses_without_callback_data_are_those_of_our_message(bot):
    client = bot.client
    await bot.open_windows(0)
    await client.control("POST", "config", {"omitCallbackData": True})
    try:
        for number in range(5):
            send = {"chatbotId": bot.chatbot_id, "to": f"+{bot.phone(0)}", "message": "hi", "messageId": f"m{number}"}
            await client.api("POST", "/send", send)
        await bot.settled(5, 1)
        await bot.assert_all_read_in_store()
    finally:
        await client.control("POST", "config", {"omitCallbackData": False})
    (conversation,) = (await client.api("GET", f"/conversations?chatbotId={bot.chatbot_id}"))["data"]
    thread = (await client.api("GET", f"/conversations/{conversation['id']}/messages?limit=100"))["data"]
    ours = [message for message in thread if message["direction"] == "outbound"]
    assert sorted(message["messageId"] for message in ours) == [f"m{number}" for number in range(5)]
    for message in ours:
        assert sorted(one["status"] for one in message["statuses"]) == ["accepted", "delivered", "read", "sent"]
