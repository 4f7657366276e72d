"""Sending on real Kafka and MongoDB: each message once and in order per conversation."""

import asyncio
import uuid
from collections import Counter, defaultdict

import pytest

from common.contracts import ids, sends

pytestmark = pytest.mark.integration


def number(index):
    return f"+4915100000{index:03}"


@pytest.mark.feature("outgoing")
async def test_many_messages_over_many_conversations_arrive_once_and_in_order(world):
    chatbot = await world.account()
    world.graph.delay = 0.01
    wanted = [(number(n % 20), f"{n % 20}/{n}", f"m{n}") for n in range(200)]
    async with world.running():
        await world.send(chatbot, *wanted)
        results = await world.until_results(chatbot, 200)
    assert Counter(world.graph.texts()) == Counter(text for _, text, _ in wanted)
    by_recipient = defaultdict(list)
    for _, body, _ in world.graph.calls:
        by_recipient[body["to"]].append(int(body["text"]["body"].split("/")[1]))
    assert len(by_recipient) == 20
    assert all(numbers == sorted(numbers) for numbers in by_recipient.values())
    assert {r.type for r in results} == {sends.ACCEPTED}
    assert len({r.id for r in results}) == 200
    assert 1 < world.graph.peak <= 20  # one at a time in each conversation


async def test_the_call_carries_the_journal_id_and_the_result_the_wamid(world, callbacks):
    chatbot = await world.account()
    async with world.running():
        await world.send(chatbot, ("+4915112345678", "hello", "m1"))
        (result,) = await world.until_results(chatbot, 1)
    (phone, body, _) = world.graph.calls[0]
    journal_id = ids.journal_id(chatbot, "m1")
    assert phone == world.accounts.phones[chatbot]
    assert body["biz_opaque_callback_data"] == callbacks.data_of(journal_id, phone)
    assert body["to"] == "+4915112345678"
    assert result.data.journal_id == journal_id
    assert result.data.wamid.startswith("wamid.")
    assert result.data.contact.wa_id == "4915112345678"
    assert result.data.attempts == 1
    assert result.data.request["messageId"] == "m1"


async def test_a_repeated_message_id_is_not_sent_again(world):
    chatbot = await world.account()
    async with world.running():
        await world.send(chatbot, (number(1), "once", "same"))
        (first,) = await world.until_results(chatbot, 1)
        await world.send(chatbot, (number(1), "once", "same"), (number(1), "after", "other"))
        await world.until_results(chatbot, 2)
        results = await world.results(chatbot)
    assert world.graph.texts() == ["once", "after"]
    assert {r.id for r in results if r.data.message_id == "same"} == {first.id}


async def test_a_message_id_twice_at_once_is_one_message(world):
    chatbot = await world.account()
    world.graph.delay = 0.1
    async with world.running():
        await world.send(chatbot, *[(number(1), "once", "same")] * 5, (number(1), "after", "other"))
        await world.until_results(chatbot, 2)
    assert world.graph.texts() == ["once", "after"]


@pytest.mark.feature("retry with 3 retries")
async def test_a_failure_is_retried_after_2_and_4_seconds_while_its_conversation_waits(world):
    chatbot = await world.account()
    world.graph.answer = lambda body, nth: (131000, 500) if body["text"]["body"] == "first" and nth <= 2 else None
    async with world.running():
        await world.send(chatbot, (number(1), "first", "m1"), (number(1), "second", "m2"), (number(2), "else", "m3"))
        results = await world.until_results(chatbot, 3)
    one, two, three = world.graph.times("first")
    assert 2.0 <= two - one < 4.0
    assert 4.0 <= three - two < 8.0
    assert world.graph.times("second")[0] > three
    assert world.graph.times("else")[0] < two
    assert {r.data.message_id: r.data.attempts for r in results} == {"m1": 3, "m2": 1, "m3": 1}


@pytest.mark.feature("retry with 3 retries")
async def test_four_failures_end_in_the_dead_letter_queue(world, eventually):
    chatbot = await world.account()
    world.graph.answer = lambda body, _: (131016, 500) if body["text"]["body"] == "never" else None
    async with world.running():
        await world.send(chatbot, (number(1), "never", "m1"), (number(1), "later", "m2"))
        results = await world.until_results(chatbot, 2)

        async def lettered():
            return await world.letters(chatbot)

        await eventually(lettered)
    ((headers, value),) = await world.letters(chatbot)
    assert len(world.graph.times("never")) == 4
    failed = next(r for r in results if r.data.message_id == "m1")
    assert (failed.type, failed.data.attempts, failed.data.error.code) == (sends.FAILED, 4, 131016)
    assert headers["reason"] == "service_unavailable"
    assert (headers["code"], headers["attempts"], headers["message-id"]) == ("131016", "4", "m1")
    assert headers["origin-topic"] == "whatsapp-cloud-send"
    assert headers["first-failed-at"]
    assert b"never" in value


async def test_a_permanent_error_fails_at_once_and_the_next_message_goes(world):
    chatbot = await world.account()
    world.graph.answer = lambda body, _: (131047, 400) if body["text"]["body"] == "late" else None
    async with world.running():
        await world.send(chatbot, (number(1), "late", "m1"), (number(1), "next", "m2"))
        results = await world.until_results(chatbot, 2)
    failed = next(r for r in results if r.data.message_id == "m1")
    assert (failed.type, failed.data.error.code, failed.data.error.reason) == (sends.FAILED, 131047, "window_closed")
    assert world.graph.texts() == ["late", "next"]
    assert await world.letters(chatbot) == []


async def test_throttling_spends_no_attempt_and_drains_by_itself(world):
    chatbot = await world.account()
    throttled = iter(range(1_000))
    world.graph.answer = lambda _body, _nth: (130429, 400) if next(throttled) < 5 else None
    async with world.running():
        await world.send(chatbot, *[(number(n), f"t{n}", f"m{n}") for n in range(10)])
        results = await world.until_results(chatbot, 10)
    assert {(r.type, r.data.attempts) for r in results} == {(sends.ACCEPTED, 1)}


async def test_a_refused_token_pauses_the_number_until_the_account_changes(world, eventually):
    chatbot = await world.account()
    other = await world.account()
    world.graph.answer = lambda _body, _nth: (190, 401) if world.accounts.token == "EAAfake-first" else None
    async with world.running(sender_pause_seconds=20.0):
        await world.send(chatbot, *[(number(n), f"t{n}", f"m{n}") for n in range(3)])

        async def told():
            return world.accounts.rejected

        await eventually(told)
        assert world.accounts.rejected == [(chatbot, {"code": 190, "revision": 1})]
        world.accounts.token, world.accounts.revision = "EAAfake-second", 2
        await world.account(chatbot=chatbot, revision=2)
        results = await world.until_results(chatbot, 3, seconds=10)
        await world.send(other, (number(1), "hi", "m1"))
        await world.until_results(other, 1)
    assert {(r.type, r.data.attempts) for r in results} == {(sends.ACCEPTED, 1)}


async def test_a_token_that_meta_takes_again_is_reported_once(world, eventually):
    chatbot = await world.account()
    working = False
    world.graph.answer = lambda _body, _nth: None if working else (190, 401)
    async with world.running(sender_pause_seconds=0.3, sender_pause_cap_seconds=0.3):
        await world.send(chatbot, *[(number(n), f"t{n}", f"m{n}") for n in range(3)])

        async def refused():
            return world.accounts.rejected

        await eventually(refused)
        working = True

        async def told():
            return world.accounts.accepted

        await world.until_results(chatbot, 3)
        await eventually(told)
    assert (world.accounts.rejected, world.accounts.accepted) == (
        [(chatbot, {"code": 190, "revision": 1})],
        [(chatbot, {"revision": 1})],
    )


async def test_accounts_away_holds_messages_and_spends_nothing(world, eventually):
    chatbot = await world.account()
    world.accounts.away = True
    async with world.running():
        await world.send(chatbot, (number(1), "hello", "m1"))

        async def asked():
            return world.accounts.fetched >= 2

        await eventually(asked)
        assert world.graph.calls == []
        world.accounts.away = False
        (result,) = await world.until_results(chatbot, 1)
    assert (result.type, result.data.attempts) == (sends.ACCEPTED, 1)


async def test_what_cannot_be_sent_ends_with_a_reason(world, eventually):
    unknown, inactive, good = (
        f"bot-{uuid.uuid4().hex}",
        await world.account(status="deactivated"),
        await world.account(),
    )
    async with world.running():
        await world.send(unknown, (number(1), "x", "m1"))
        await world.send(inactive, (number(1), "x", "m1"))
        await world.send(good, ("abcdef", "x", "m1"), (number(1), "", "m2"))
        (first,) = await world.until_results(unknown, 1)
        (second,) = await world.until_results(inactive, 1)
        rest = await world.until_results(good, 2)

        async def lettered():
            return await world.letters(unknown) and len(await world.letters(good)) == 2

        await eventually(lettered)
    assert (first.type, first.data.error.reason, first.data.attempts) == (sends.FAILED, "unknown_account", 0)
    assert (second.type, second.data.error.reason) == (sends.FAILED, "account_deactivated")
    assert {r.data.error.reason for r in rest} == {"invalid_request"}
    assert any("to: " in r.data.error.details for r in rest)
    assert world.graph.calls == []


async def test_several_senders_share_the_work_and_hand_over_without_loss(world):
    chatbots = [await world.account() for _ in range(4)]
    world.graph.delay = 0.05
    async with world.running():
        for chatbot in chatbots:
            await world.send(chatbot, *[(number(n % 5), f"{chatbot}/{n}", f"m{n}") for n in range(40)])
        async with world.running():
            await asyncio.gather(*[world.until_results(chatbot, 20) for chatbot in chatbots])
        for chatbot in chatbots:
            await world.until_results(chatbot, 40)
    assert Counter(world.graph.texts()) == Counter(f"{chatbot}/{n}" for chatbot in chatbots for n in range(40))
    by_lane = defaultdict(list)
    for phone, body, _ in world.graph.calls:
        by_lane[phone, body["to"]].append(int(body["text"]["body"].rsplit("/", 1)[1]))
    assert all(numbers == sorted(numbers) for numbers in by_lane.values())
