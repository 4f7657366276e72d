"""Meta's limits, turned on, and what we do not to meet them: windows, pace, pairs. Batches, schedules and usage, too."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from testbed.client import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

TEMPLATE = {"type": "template", "template": {"name": "order_update", "language": {"code": "en_US"}}}
SECOND_MS, PAIR_MS, BURST = 1_000, 6_000, 45
DAY_MS = 86_400_000
NONE = {"throughput": 0, "pair": 0, "window": 0}


@pytest.fixture
async def limited(bot, client):
    """A bot at a Meta that refuses what is beyond its limits."""
    await client.control("POST", "config", {"limits": "all"})
    yield bot
    await client.control("POST", "config", {"limits": "none"})


async def send(bot, index, message, message_id, **more):
    body = {"chatbotId": bot.chatbot_id, "to": f"+{bot.phone(index)}", "message": message, "messageId": message_id}
    return await bot.client.api("POST", "/send", {**body, **more})


async def batch(bot, messages, **more):
    """The `data` of a batch's answer."""
    answer = await bot.client.api("POST", "/send/batch", {"chatbotId": bot.chatbot_id, "messages": messages, **more})
    return answer["data"]


async def becomes(bot, message_id, status, *, seconds=30):
    """The stored message, once its delivery status is this."""

    async def so():
        path = f"/messages/{message_id}?chatbotId={bot.chatbot_id}"
        stored = (await bot.client.api("GET", path, expect=None)).get("data", {})
        return stored.get("deliveryStatus") == status and stored

    return await eventually(f"{message_id} is `{status}`", so, seconds=seconds)


async def standing(bot, message_id):
    """What the sender says of a message; empty before it has taken it up."""
    answer = await bot.client.api("GET", f"/send/{message_id}?chatbotId={bot.chatbot_id}", expect=None)
    return answer.get("data", {})


async def scheduled(bot, message_id):
    async def so():
        return (await standing(bot, message_id)).get("reason") == "scheduled"

    await eventually(f"{message_id} is scheduled", so)


async def received(bot, index):
    return await bot.client.received(phone=bot.phone(index), phoneNumberId=bot.number)


async def refusals(bot):
    """How many calls of the bot's number each of Meta's limits refused."""
    return (await bot.client.control("GET", "limits", phoneNumberId=bot.number))["refused"]


async def test_only_a_template_goes_to_a_person_who_has_not_written(limited, client):
    bot = limited
    await send(bot, 0, "Hi there", "too-early")  # we do not know whether they have written: Meta does
    assert (await becomes(bot, "too-early", "failed"))["error"]["code"] == 131047
    await send(bot, 0, "Hi there", "known-by-now")
    refused = await becomes(bot, "known-by-now", "failed")
    assert refused["error"]["reason"] == "window_closed"
    assert len(await bot.calls()) == 1
    await send(bot, 0, TEMPLATE, "invitation")
    await becomes(bot, "invitation", "read")
    assert await window(bot) == {"open": False}
    await bot.open_windows(0)
    await send(bot, 0, "Hi there", "in-time")
    await becomes(bot, "in-time", "read")
    assert [entry["type"] for entry in await received(bot, 0)] == ["template", "text"]
    shown = await window(bot)
    until = datetime.fromisoformat(shown["until"]) - datetime.now(UTC)
    assert shown["open"]
    assert timedelta(hours=23, minutes=59) < until < timedelta(hours=24)
    assert await refusals(bot) == {**NONE, "window": 1}


async def window(bot):
    (conversation,) = (await bot.client.api("GET", f"/conversations?chatbotId={bot.chatbot_id}"))["data"]
    return conversation["window"]


async def test_a_window_that_meta_alone_sees_closed_ends_the_send_with_its_code(limited, client):
    bot = limited
    await bot.open_windows(0)
    pair = {"phoneNumberId": bot.number, "phone": bot.phone(0)}
    await client.control("POST", "window", {**pair, "agoMs": DAY_MS})
    await send(bot, 0, "Hi there", "late")
    assert (await becomes(bot, "late", "failed"))["error"]["code"] == 131047
    assert len(await bot.calls()) == 1


async def test_a_number_sends_as_fast_as_it_may_and_no_faster(limited, client):
    bot, count, most = limited, 600, 80
    answer = await batch(bot, [{"to": f"+{bot.phone(index)}", "message": TEMPLATE} for index in range(count)])
    assert answer["enqueued"] == count

    async def all_there():
        return len(await client.received(phoneNumberId=bot.number)) >= count

    await eventually("all arrive", all_there)
    times = [entry["monotonicMs"] for entry in await client.received(phoneNumberId=bot.number)]
    spans = [later - earlier for earlier, later in zip(times, times[most:], strict=False)]
    assert min(spans) >= SECOND_MS
    # How near to the limit it comes is measured by `make flood`; here only that it does not crawl.
    whole = (count - 1) // most * most
    assert whole / (times[whole] - times[0]) * SECOND_MS >= 0.4 * most
    report = await client.control("GET", "limits", phoneNumberId=bot.number)
    assert report["refused"] == NONE
    assert report["busiestSecond"]["messages"] <= most


async def test_one_person_gets_45_messages_at_once_and_the_rest_in_their_time(limited, client):
    bot = limited
    flooded, calm = 0, 1
    await batch(bot, [item(bot, flooded, f"flood-{n}") for n in range(50)])
    await batch(bot, [item(bot, calm, f"calm-{n}") for n in range(2)])
    # When the six seconds of a burst are over, and the time that two messages have borrowed is not.
    later = datetime.now(UTC) + timedelta(milliseconds=1.5 * PAIR_MS)
    await send(bot, calm, TEMPLATE, "calm-2", sendAt=later.isoformat(), category="campaign")
    await becomes(bot, "calm-2", "read", seconds=20)
    first, second, third = (entry["monotonicMs"] for entry in await received(bot, calm))
    assert second - first < PAIR_MS
    assert 2 * PAIR_MS <= third - first < 3 * PAIR_MS
    burst = [entry["monotonicMs"] for entry in await received(bot, flooded)]
    assert len(burst) == BURST
    assert burst[-1] - burst[0] < PAIR_MS
    assert await refusals(bot) == NONE
    for number in range(BURST, 50):
        answer = await client.api("DELETE", f"/send/flood-{number}?chatbotId={bot.chatbot_id}")
        assert answer["data"]["state"] == "cancelled"


def item(bot, index, message_id):
    return {"to": f"+{bot.phone(index)}", "message": TEMPLATE, "messageId": message_id}


@pytest.mark.feature("outgoing")
async def test_each_message_of_a_batch_has_its_own_result_and_a_repeated_batch_sends_nothing_twice(bot, client):
    await client.onboard(f"off-{bot.base}", f"1065403533{bot.base:05d}")
    await client.api("POST", f"/account/off-{bot.base}/deactivate")
    messages = [
        {"to": f"+{bot.phone(0)}", "message": TEMPLATE},
        {"to": f"+{bot.phone(1)}", "message": {"type": "text", "body": "x" * 4097}},
        {"to": f"+{bot.phone(2)}", "message": TEMPLATE, "messageId": "mine"},
        {"to": f"+{bot.phone(3)}", "message": TEMPLATE, "chatbotId": "nobody"},
        {"to": "nobody", "message": TEMPLATE},
    ]
    first, again = [await batch(bot, messages, batchId=f"spring-{bot.base}") for _ in range(2)]
    assert first == again
    assert (first["enqueued"], first["refused"]) == (2, 3)
    results = first["results"]
    assert [result["success"] for result in results] == [True, False, True, False, False]
    assert [result["error"]["code"] for result in results if "error" in result] == [
        "invalid_input",
        "unknown_account",
        "invalid_input",
    ]
    (too_long,) = results[1]["error"]["details"]
    assert (too_long["field"], too_long["limit"]) == ("message.body", 4096)
    assert results[2]["messageId"] == "mine"
    for message_id in (results[0]["messageId"], "mine"):
        await becomes(bot, message_id, "read")
    # After the repetition, in the order of the topic.
    await send(bot, 0, TEMPLATE, "the-last")
    await becomes(bot, "the-last", "read")
    phones = [entry["phone"] for entry in await client.received(phoneNumberId=bot.number)]
    assert sorted(phones) == [bot.phone(0), bot.phone(0), bot.phone(2)]


@pytest.mark.feature("outgoing")
async def test_a_scheduled_message_waits_for_its_time_and_lets_others_pass(bot, client):
    due = datetime.now(UTC) + timedelta(seconds=3)
    await send(bot, 0, TEMPLATE, "later", sendAt=due.isoformat())
    await scheduled(bot, "later")
    assert datetime.fromisoformat((await standing(bot, "later"))["sendAt"]) == due
    await send(bot, 0, TEMPLATE, "now")
    await becomes(bot, "later", "read")
    now, later = await received(bot, 0)
    assert now["atMs"] < due.timestamp() * 1000 <= later["atMs"]
    assert (await standing(bot, "later"))["wamid"] == later["wamid"]


@pytest.mark.feature("outgoing")
async def test_a_scheduled_message_can_be_cancelled_and_a_sent_one_cannot(bot, client):
    due = datetime.now(UTC) + timedelta(seconds=3)
    for message_id in ("never", "sure"):
        await send(bot, 0, TEMPLATE, message_id, sendAt=due.isoformat())
        await scheduled(bot, message_id)
    for _ in range(2):
        answer = await client.api("DELETE", f"/send/never?chatbotId={bot.chatbot_id}")
        assert answer["data"]["state"] == "cancelled"
    await becomes(bot, "never", "cancelled")
    await becomes(bot, "sure", "read")
    refused = await client.api("DELETE", f"/send/sure?chatbotId={bot.chatbot_id}", expect=409)
    assert refused["error"]["code"] == "not_cancellable"
    await send(bot, 0, TEMPLATE, "never")
    await send(bot, 0, TEMPLATE, "the-last")
    await becomes(bot, "the-last", "read")
    assert len(await received(bot, 0)) == 2


@pytest.mark.feature("outgoing")
async def test_a_scheduled_message_that_is_released_too_late_expires(bot, client):
    due = datetime.now(UTC) + timedelta(seconds=1)
    at_once = due + timedelta(milliseconds=1)  # sooner than its way over the topic takes
    await send(bot, 0, TEMPLATE, "too-late", sendAt=due.isoformat(), expiresAt=at_once.isoformat())
    await becomes(bot, "too-late", "expired")
    assert await bot.calls() == []
    never = {**item(bot, 0, "never"), "chatbotId": bot.chatbot_id, "sendAt": due.isoformat()}
    refused = await client.api("POST", "/send", {**never, "expiresAt": due.isoformat()}, expect=400)
    assert "expiresAt" in str(refused["error"]["details"])


@pytest.mark.feature("usage log")
async def test_the_usage_summary_counts_what_was_sent_and_what_meta_priced(bot, client):
    await bot.open_windows(0)
    for number in range(3):
        await send(bot, 0, "A text", f"text-{number}")
    for number in range(2):
        await send(bot, 1, TEMPLATE, f"template-{number}")

    async def counted():
        rows = (await client.api("GET", f"/usage/summary?chatbotId={bot.chatbot_id}"))["data"]["rows"]
        return sum(row["count"] for row in rows) >= 10 and rows

    rows = await eventually("all is counted", counted)
    assert {row["chatbotId"] for row in rows} == {bot.chatbot_id}
    # Midnight may come in between.
    assert {row["day"] for row in rows} <= {str(datetime.now(UTC).date() - timedelta(days=n)) for n in range(2)}
    counts = {kind: total(rows, kind) for kind in ("send", "pricing")}
    assert counts == {"send": {None: 5}, "pricing": {"service": 3, "utility": 2}}
    empty = await client.api("GET", f"/usage/summary?chatbotId={bot.chatbot_id}&from=2020-01-01&to=2020-01-31")
    assert empty["data"] == {"from": "2020-01-01", "to": "2020-01-31", "rows": []}
    wrong = await client.api("GET", "/usage/summary?from=2020-01-31&to=2020-01-01", expect=400)
    assert wrong["error"]["code"] == "invalid_range"


def total(rows, kind):
    """Count by category."""
    chosen = sorted((row for row in rows if row["kind"] == kind), key=lambda row: str(row.get("category")))
    groups = itertools.groupby(chosen, key=lambda row: row.get("category"))
    return {category: sum(row["count"] for row in group) for category, group in groups}
