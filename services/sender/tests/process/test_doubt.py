"""Lost answers, crashes and restarts: nothing is sent twice that Meta has, and nothing is forgotten."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest

from common.contracts import sends, topics
from common.contracts.journal import State
from common.kafka.consume.partition_session import PartitionSession
from common.kafka.records import Outgoing

pytestmark = pytest.mark.integration

TO = "+4915112345678"
QUICK = {"graph_total_seconds": 0.5, "sender_in_doubt_seconds": 5.6}
"""The shortest window that the settings allow, for calls of at most half a second."""


def lose(text, times=1):
    return lambda body, nth: "lose" if body["text"]["body"] == text and nth <= times else None


async def test_a_status_settles_a_send_whose_answer_was_lost(world):
    chatbot = await world.account()
    world.graph.answer = lose("first")
    async with world.running():
        await world.send(chatbot, (TO, "first", "m1"), (TO, "second", "m2"), ("+4915100000000", "else", "m3"))
        (doubt,) = await world.until_results(chatbot, 1, sends.IN_DOUBT)
        await world.until_results(chatbot, 1, sends.ACCEPTED)
        assert "second" not in world.graph.texts()
        await world.status(chatbot, "m1", wamid="wamid.told", status="sent")
        results = await world.until_results(chatbot, 3, sends.ACCEPTED, seconds=10)
    assert (doubt.data.message_id, doubt.data.attempts, doubt.data.error.reason) == ("m1", 1, "no_answer")
    settled = next(r for r in results if r.data.message_id == "m1")
    assert (settled.data.wamid, settled.data.attempts) == ("wamid.told", 1)
    assert world.graph.texts() == ["first", "else", "second"]


async def test_silence_for_the_window_means_sending_again(world):
    chatbot = await world.account()
    world.graph.answer = lose("first")
    async with world.running(**QUICK):
        await world.send(chatbot, (TO, "first", "m1"), (TO, "second", "m2"))
        results = await world.until_results(chatbot, 2, sends.ACCEPTED)
    one, two = world.graph.times("first")
    assert 5.6 <= two - one < 9
    assert world.graph.texts() == ["first", "first", "second"]
    assert {r.data.message_id: r.data.attempts for r in results} == {"m1": 2, "m2": 1}


async def test_silence_does_not_count_while_a_status_may_be_on_its_way_through_conversation(world, eventually):
    chatbot = await world.account()
    world.graph.answer = lose("first")
    async with world.running(**QUICK) as sender:
        await world.publisher.publish([Outgoing(topics.WEBHOOKS.name, "k", b"{}")])
        await world.send(chatbot, (TO, "first", "m1"))
        (doubt,) = await world.until_results(chatbot, 1, sends.IN_DOUBT)

        async def looked_at_again():
            (entry,) = await sender.store.load([doubt.data.journal_id])
            return datetime.now(UTC) - entry.due > timedelta(seconds=2)

        await eventually(looked_at_again)
        assert world.graph.texts() == ["first"]
        await world.conversation_reads_all()
        await world.until_results(chatbot, 1, sends.ACCEPTED)
    assert world.graph.texts() == ["first", "first"]


async def test_the_policy_may_be_to_fail(world, eventually):
    chatbot = await world.account()
    world.graph.answer = lose("first")
    async with world.running(**QUICK, sender_in_doubt_policy="fail"):
        await world.send(chatbot, (TO, "first", "m1"), (TO, "second", "m2"))
        await world.until_results(chatbot, 1, sends.ACCEPTED)
        (failed,) = await world.until_results(chatbot, 1, sends.FAILED)

        async def lettered():
            return await world.letters(chatbot)

        await eventually(lettered)
    assert failed.data.error.reason == "in_doubt_unresolved"
    assert world.graph.texts() == ["first", "second"]


async def dies_before_recording(world, chatbot, eventually):
    """A sender that calls Meta for `first`, and is gone before it can write the answer down."""
    async with world.running(**QUICK) as sender:
        moves = sender.transitions
        submit = moves.submit

        async def hangs(move):
            if move.entry.state is State.ACCEPTED:
                await asyncio.sleep(3600)
            return await submit(move)

        moves.submit = hangs
        await world.send(chatbot, (TO, "first", "m1"), (TO, "second", "m2"))

        async def called():
            return world.graph.texts() == ["first"]

        await eventually(called)
        sender.group._drain_seconds = 0.1


async def test_a_crash_after_the_call_is_settled_by_a_status(world, eventually):
    chatbot = await world.account()
    await dies_before_recording(world, chatbot, eventually)
    async with world.running():
        await world.until_results(chatbot, 1, sends.IN_DOUBT)
        await world.status(chatbot, "m1", wamid="wamid.told", status="read")
        results = await world.until_results(chatbot, 2, sends.ACCEPTED)
    assert world.graph.texts() == ["first", "second"]
    assert next(r for r in results if r.data.message_id == "m1").data.wamid == "wamid.told"


async def test_a_status_that_came_while_no_sender_ran_counts_too(world, eventually):
    chatbot = await world.account()
    await dies_before_recording(world, chatbot, eventually)
    await world.status(chatbot, "m1", wamid="wamid.told")
    async with world.running():
        await world.until_results(chatbot, 2, sends.ACCEPTED)
    assert world.graph.texts() == ["first", "second"]


async def test_a_crash_after_the_call_without_a_status_sends_again_after_the_window(world, eventually):
    chatbot = await world.account()
    await dies_before_recording(world, chatbot, eventually)
    async with world.running(**QUICK):
        results = await world.until_results(chatbot, 2, sends.ACCEPTED)
    one, two = world.graph.times("first")
    assert two - one >= 5.6
    assert world.graph.texts() == ["first", "first", "second"]
    assert {r.data.message_id: r.data.attempts for r in results} == {"m1": 2, "m2": 1}


async def test_a_crash_before_the_commit_repeats_the_result_and_not_the_call(world, monkeypatch):
    chatbot = await world.account()
    commit = PartitionSession.commit
    failures = []

    async def fails_once(session, outgoing, offsets):
        if outgoing and not failures:
            failures.append(1)
            raise RuntimeError("injected")
        await commit(session, outgoing, offsets)

    monkeypatch.setattr(PartitionSession, "commit", fails_once)
    async with world.running():
        await world.send(chatbot, (TO, "first", "m1"), (TO, "second", "m2"))
        await world.until_results(chatbot, 2)
    assert failures
    assert world.graph.texts() == ["first", "second"]
    assert {r.type for r in await world.results(chatbot)} == {sends.ACCEPTED}


async def test_a_retry_survives_a_restart_and_its_conversation_still_waits(world, eventually):
    chatbot = await world.account()
    world.graph.answer = lambda body, nth: (131000, 500) if body["text"]["body"] == "first" and nth <= 1 else None

    async def failed_once():
        return world.graph.times("first")

    async with world.running():
        await world.send(chatbot, (TO, "first", "m1"), (TO, "second", "m2"))
        await eventually(failed_once)
    async with world.running():
        results = await world.until_results(chatbot, 2)
    one, two = world.graph.times("first")
    assert two - one >= 2.0
    assert world.graph.texts() == ["first", "first", "second"]
    assert {r.data.message_id: r.data.attempts for r in results} == {"m1": 2, "m2": 1}


async def test_a_retry_whose_record_was_never_written_is_taken_up_from_the_journal(world, monkeypatch):
    chatbot = await world.account()
    world.graph.answer = lambda body, nth: (131000, 500) if body["text"]["body"] == "first" and nth <= 1 else None
    commit = PartitionSession.commit
    lost = []

    async def loses_the_retry(session, outgoing, offsets):
        if not lost and any("retry" in record.topic for record in outgoing):
            lost.append(1)
            raise RuntimeError("injected")
        await commit(session, outgoing, offsets)

    monkeypatch.setattr(PartitionSession, "commit", loses_the_retry)
    async with world.running():
        await world.send(chatbot, (TO, "first", "m1"), (TO, "second", "m2"))
        await world.until_results(chatbot, 2)
    one, two = world.graph.times("first")
    assert lost
    assert two - one >= 2.0
    assert world.graph.texts() == ["first", "first", "second"]


async def test_lost_answers_failures_and_restarts_together_cost_no_message_and_no_order(world, monkeypatch):
    chatbot = await world.account()
    chance = random.Random(11)
    commit = PartitionSession.commit
    accepted, telling, broken = [], set(), []

    async def breaks_at_times(session, outgoing, offsets):
        if len(broken) < 6 and chance.random() < 0.15:
            broken.append(1)
            raise RuntimeError("injected")
        await commit(session, outgoing, offsets)

    async def tell(text):
        await asyncio.sleep(chance.random() / 2)
        await world.status(chatbot, f"m{text.split('/')[1]}", wamid=f"wamid.{text}", status="sent")

    def answer(body, nth):
        text = body["text"]["body"]
        if nth == 1 and chance.random() < 0.1:
            return (131000, 500)
        accepted.append(text)
        if chance.random() < 0.2:
            task = asyncio.create_task(tell(text))
            telling.add(task)
            return "lose"
        return None

    world.graph.answer = answer
    monkeypatch.setattr(PartitionSession, "commit", breaks_at_times)
    wanted = [f"{n % 12}/{n}" for n in range(96)]
    async with world.running(sender_pair_pace=False):
        for start in range(0, 96, 12):
            texts = wanted[start : start + 12]
            await world.send(chatbot, *[(f"+49151000000{t.split('/')[0]}", t, f"m{t.split('/')[1]}") for t in texts])
        results = await world.until_results(chatbot, 96, sends.ACCEPTED, seconds=60)
        await asyncio.gather(*telling)
    assert broken
    assert telling
    assert sorted(accepted) == sorted(wanted)
    for lane in range(12):
        numbers = [int(text.split("/")[1]) for text in accepted if text.startswith(f"{lane}/")]
        assert numbers == sorted(numbers)
    assert {r.data.message_id for r in results} == {f"m{n}" for n in range(96)}
