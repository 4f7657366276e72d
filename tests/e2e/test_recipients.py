"""Whom a send reaches: one phone in every notation of its number, a group, and no other person."""

import pytest

from testbed.client import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

TEMPLATE = {"type": "template", "template": {"name": "news", "language": {"code": "en"}}}


@pytest.mark.feature("outgoing")
async def test_all_notations_of_a_number_reach_one_phone_and_a_group_gets_its_own(bot, client):
    dialled = f"52{5512345000 + bot.base}"
    group = f"Y2FwaV9ncm91cDox{bot.base:08d}ZD"
    wanted = [f"+{dialled}", f"+52 1 {dialled[2:]}", f"0052 {dialled[2:]}", f"521{dialled[2:]}", group]
    for to in wanted:
        body = {"chatbotId": bot.chatbot_id, "to": to, "message": TEMPLATE}
        assert (await client.api("POST", "/send", body))["success"]
    for to in (f"+{dialled} ext. 5", f"{dialled}:12@s.whatsapp.net", f"+{dialled},+{dialled[:-1]}9", dialled[2:]):
        refused = await client.api(
            "POST", "/send", {"chatbotId": bot.chatbot_id, "to": to, "message": TEMPLATE}, expect=400
        )
        assert "write a phone number with its country code" in str(refused)

    async def arrived():
        return len(await client.received(phoneNumberId=bot.number)) >= len(wanted)

    await eventually("all are there", arrived)
    received = await client.received(phoneNumberId=bot.number)
    assert [entry["phone"] for entry in received if entry["phone"] != group] == [f"521{dialled[2:]}"] * 4
    assert [entry["body"]["to"] for entry in received if entry["phone"] != group] == [
        f"+{dialled}",
        f"+521{dialled[2:]}",
        f"+{dialled}",
        f"+521{dialled[2:]}",
    ]
    assert [entry["body"]["recipient_type"] for entry in received if entry["phone"] == group] == ["group"]
