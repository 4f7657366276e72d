"""What Meta allows a number, through real processes: asked, and followed when a webhook says that it has changed."""

import pytest

from testbed.client import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture
async def told(bot, client):
    """What the sender's API says of the bot's number, once it has sent something."""
    await client.says(bot.phone(0), bot.number, "Hello")
    await bot.settled(1, 1)

    async def answer():
        return (await client.api("GET", f"/numbers/{bot.chatbot_id}", expect=None)).get("data")

    return answer


async def test_the_sender_learns_what_meta_allows_a_number(bot, told):
    facts = await eventually("Meta was asked", told)
    assert (facts["phoneNumberId"], facts["messagesPerSecond"], facts["throughputLevel"]) == (
        bot.number,
        80,
        "STANDARD",
    )
    assert facts["messagingLimit"] == "TIER_100K"


async def test_an_upgrade_is_followed_when_its_webhook_comes(bot, client, told):
    await eventually("Meta was asked", told)
    change = {"phoneNumberId": bot.number, "throughputLevel": "HIGH", "webhook": True}
    await client.control("POST", "throughput", change)

    async def upgraded():
        return (await told())["messagesPerSecond"] == 1_000

    await eventually("the upgrade is known", upgraded)
    assert (await told())["messagingLimit"] == "TIER_UNLIMITED"


async def test_nothing_is_known_of_a_number_that_never_sent(bot, client):
    answer = await client.api("GET", f"/numbers/{bot.chatbot_id}", expect=404)
    assert answer["error"]["code"] == "unknown_number"
