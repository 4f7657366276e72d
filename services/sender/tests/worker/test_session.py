"""A session with fakes around it: what it reads, starts, writes and commits, and in which order."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaError
from sender_session import AT, DLQ, ERROR, PARTITION, RESULTS, RETRY, RETRY_AT, SEND, World, quiet, until

from common.contracts import ids, topics
from common.contracts.contacts import Contact
from common.kafka.consume.partition_session import Halted
from common.kafka.wire.partitioner import partition_of
from common.telemetry.tenants import UNKNOWN
from sender.dispatch.model import Bounds
from sender.journal.store import RecentTimes
from sender.outcomes import Apart, Dead, Defer, Hold, InDoubt, Retry, Sent
from sender.worker import reader


def soon(seconds=0.0):
    return datetime.now(UTC) + timedelta(seconds=seconds)


def first_time(outcome, otherwise=None):
    """An answer: `outcome` at a message's first step."""
    return lambda _job, nth: outcome() if nth == 1 else otherwise or Sent("wamid.1")


def places(world, *events):
    return [world.events.index(event) for event in events]


async def test_a_send_is_told_of_and_its_record_committed_in_one_transaction():
    world = World()
    world.ask("m1")
    async with world.running():
        await world.until_done("m1")
    ((outgoing, offsets),) = world.kafka.transactions
    assert ([record.topic for record in outgoing], offsets) == ([RESULTS], {AT: 1})
    assert [result["type"] for result in world.kafka.results()] == ["send.accepted"]


async def test_nothing_is_committed_past_a_send_that_has_not_ended():
    world = World()
    world.flow.answer = lambda job, nth: InDoubt(soon(60)) if (job.message_id, nth) == ("first", 1) else Sent("w")
    world.ask("first", to=1)
    world.ask("second", to=2)
    async with world.running():
        await world.until_done("first", "second")
        assert world.kafka.committed == {}
        (settled,) = world.watch.waiting.values()
        settled("")
        await until(lambda: world.kafka.committed == {AT: 2})


async def test_a_replay_and_its_send_are_never_worked_on_at_the_same_time():
    world = World()
    under_way, most = [], []

    async def slow(job):
        under_way.append(job.journal_id)
        most.append(len(under_way) - len(set(under_way)))
        await asyncio.sleep(0.01)
        under_way.remove(job.journal_id)
        return Sent("w")

    world.flow.answer = lambda job, _nth: slow(job)
    for to, headers in enumerate(([], [("replay", b"1")], [("replay", b"2")])):
        world.ask("same", to=to, headers=headers)
    world.ask("other", to=4)
    async with world.running():
        await until(lambda: world.kafka.committed == {AT: 4})
    assert len(most) == 4
    assert not any(most)


async def test_a_send_that_another_session_works_on_stops_no_other_and_the_partition_is_proved():
    world = World()
    world.flow.contested = lambda job: job.message_id == "theirs"
    world.flow.answer = lambda job, _nth: Defer(soon(60)) if job.message_id == "theirs" else Sent("w")
    world.ask("first", to=2)
    async with world.running():
        await until(lambda: world.kafka.committed == {AT: 1})
        world.ask("theirs", to=1)
        await until(lambda: len(world.kafka.transactions) == 2)
        world.ask("second", to=3)
        await world.until_done("second")
    assert world.kafka.transactions[1] == ([], {AT: 1})


async def test_a_conversation_goes_one_message_at_a_time_and_in_order():
    world = World()
    gate, under_way = asyncio.Event(), []

    async def slow(job):
        under_way.append(job.message_id)
        await gate.wait()
        return Sent("w")

    world.flow.answer = lambda job, _nth: slow(job)
    for message_id in ("a1", "a2"):
        world.ask(message_id, to=1)
    world.ask("b1", to=2)
    async with world.running():
        await until(lambda: len(under_way) == 2)
        await quiet()
        assert sorted(under_way) == ["a1", "b1"]
        gate.set()
        await world.until_done("a1", "a2", "b1")
    assert world.flow.ids.index("a1") < world.flow.ids.index("a2")


async def test_a_failure_becomes_a_retry_record_of_the_same_partition_with_its_offset():
    world = World()
    world.flow.answer = first_time(lambda: Retry(soon(0.05), ERROR, 1))
    world.ask("m1")
    async with world.running():
        await world.until_done("m1")
    (outgoing, offsets), (_, ends) = world.kafka.transactions
    (retry,) = outgoing
    headers = dict(retry.headers)
    assert (retry.topic, retry.partition, offsets) == (RETRY, PARTITION, {AT: 1})
    assert (headers["attempts"], headers["message-id"]) == (b"1", b"m1")
    assert ends == {RETRY_AT: 1}
    assert [(taken.look, taken.job.attempts) for taken in world.flow.taken] == [(False, 0), (True, 1)]


async def test_a_message_read_after_a_failure_waits_for_its_retry():
    world = World()
    world.flow.answer = lambda job, nth: Retry(soon(0.2), ERROR, 1) if (job.message_id, nth) == ("m1", 1) else Sent("w")
    world.ask("m1")
    async with world.running():
        world.kafka.silent[RETRY_AT] = 1_000_000
        await until(lambda: world.kafka.to(RETRY))
        world.ask("m2")
        await until(lambda: f"read 1 of {SEND}" in world.events)
        await quiet()
        assert world.flow.ids == ["m1"]
        world.kafka.silent[RETRY_AT] = 0
        await world.until_done("m1", "m2")
    assert world.flow.ids == ["m1", "m1", "m2"]


async def test_a_retry_from_before_the_session_goes_before_a_message_that_came_after_it():
    world = World()
    due = str(round((time.time() + 0.2) * 1000)).encode()
    came_from = [("origin-topic", SEND.encode()), ("origin-partition", b"0"), ("origin-offset", b"0")]
    headers = [("attempts", b"1"), ("message-id", b"m1"), ("not-before-ms", due), *came_from]
    world.ask("m0", to=2)
    world.ask("m2")
    world.ask("m1", tp=RETRY_AT, headers=headers)
    world.kafka.silent[RETRY_AT] = 5
    async with world.running():
        await world.until_done("m1", "m2")
    assert [message_id for message_id in world.flow.ids if message_id != "m0"] == ["m1", "m2"]
    assert places(world, f"read 0 of {RETRY}", f"read 0 of {SEND}") == sorted(
        places(world, f"read 0 of {RETRY}", f"read 0 of {SEND}")
    )


async def test_after_a_full_page_retries_are_read_before_more_new_messages(monkeypatch):
    monkeypatch.setattr(reader, "_FETCH_RECORDS", 2)
    world = World()
    for number in range(5):
        world.ask(f"m{number}", to=number)
    asked = []
    fetch = world.kafka.fetch

    async def noting(partitions=(), **options):
        found = await fetch(partitions, **options)
        asked.append((sorted({tp.topic for tp in partitions}), sum(map(len, found.values()))))
        return found

    world.kafka.fetch = noting
    async with world.running():
        await world.until_done(*(f"m{number}" for number in range(5)))
    retries = sorted(topic.name for topic, _ in topics.RETRIES)
    first = asked.index(([], 2))
    assert asked[first : first + 5] == [([], 2), (retries, 0), ([], 2), (retries, 0), ([], 1)]


async def test_a_dead_letter_is_counted_and_written_with_its_result():
    world = World()
    world.flow.answer = lambda job, _nth: Dead(ERROR, letter=True) if job.message_id == "bad" else Sent("w")
    world.ask("bad", to=1)
    world.ask("good", to=2)
    async with world.running():
        await world.until_done("bad", "good")
    assert sorted(world.letters.noted) == [0, 1]
    assert [json.loads(letter.value)["messageId"] for letter in world.kafka.to(DLQ)] == ["bad"]
    (together,) = [outgoing for outgoing, _ in world.kafka.transactions if any(r.topic == DLQ for r in outgoing)]
    assert sum(record.topic == RESULTS for record in together) >= 1


@pytest.mark.parametrize("letter", [True, False])
async def test_what_ends_is_counted_for_its_tenant_and_invented_chatbots_for_one(letter):
    world = World()
    world.accounts["b2"] = SimpleNamespace()
    world.flow.answer = lambda _job, _nth: Dead(ERROR, letter=letter)
    for bot in ("b", "b2", "invented-1", "invented-2"):
        world.ask(f"of {bot}", bot=bot)
    async with world.running():
        await world.until_done(*(f"of {bot}" for bot in ("b", "b2", "invented-1", "invented-2")))
    assert sorted(world.letters.tenants) == sorted(["b", "b2", UNKNOWN, UNKNOWN])
    assert world.letters.noted == [int(letter)] * 4


async def test_a_failure_that_is_no_letter_is_counted_as_none():
    world = World()
    world.flow.answer = lambda _job, _nth: Dead(ERROR)
    world.ask("m1")
    async with world.running():
        await world.until_done("m1")
    assert (world.letters.noted, world.kafka.to(DLQ)) == ([0], [])


async def test_when_the_limit_of_dead_letters_is_passed_the_send_that_does_it_is_not_committed():
    world = World()
    world.letters.error = Halted("too many")
    world.flow.answer = lambda _job, _nth: Dead(ERROR, letter=True)
    world.ask("m1")
    with pytest.raises(Halted):
        await world.start()
    assert world.kafka.transactions == []


async def test_a_record_that_is_not_understood_is_counted_and_becomes_a_letter_with_its_offset():
    world = World()
    world.kafka.add(AT, b"no json")
    async with world.running():
        await until(lambda: world.kafka.committed == {AT: 1})
    assert (world.letters.noted, world.letters.tenants) == ([1], [UNKNOWN])
    assert [letter.value for letter in world.kafka.to(DLQ)] == [b"no json"]


async def test_a_request_in_another_chatbots_partition_is_moved_home_and_is_no_letter():
    world = World()
    world.kafka.count = 3
    bot = next(f"bot{n}" for n in range(100) if partition_of(f"bot{n}", 3) == 2)
    world.ask("m1", bot=bot)
    async with world.running():
        await until(lambda: world.kafka.committed == {AT: 1})
        assert world.flow.taken == []
    (moved,) = world.kafka.outgoing
    assert (moved.topic, moved.partition, dict(moved.headers)["message-id"]) == (SEND, 2, b"m1")
    assert world.letters.noted == []  # it is counted where it ends


async def test_two_records_of_one_send_are_one_send_and_both_are_committed():
    world = World()
    gate = asyncio.Event()

    async def slow(_job):
        await gate.wait()
        return Sent("w")

    world.flow.answer = lambda job, _nth: slow(job)
    world.ask("same")
    world.ask("same")
    async with world.running():
        await until(lambda: world.flow.taken)
        await quiet()
        gate.set()
        await until(lambda: world.kafka.committed == {AT: 2})
    assert world.flow.ids == ["same"]


async def test_a_doubt_is_told_of_watched_and_looked_at_again_when_it_is_settled():
    world = World()
    world.flow.answer = first_time(lambda: InDoubt(soon(60), ERROR))
    world.ask("m1")
    async with world.running():
        await until(lambda: world.kafka.transactions)
        (outgoing, offsets), *_ = world.kafka.transactions
        assert ([record.topic for record in outgoing], offsets) == ([RESULTS], {})
        assert list(world.watch.waiting) == [ids.journal_id("b", "m1")]
        world.watch.waiting[ids.journal_id("b", "m1")]("")
        await until(lambda: world.kafka.committed == {AT: 1})
        assert world.watch.waiting == {}
    assert [taken.look for taken in world.flow.taken] == [False, True]
    assert [result["type"] for result in world.kafka.results()] == ["send.in_doubt", "send.accepted"]


async def test_a_doubt_that_was_known_is_not_told_of_again():
    world = World()
    world.flow.recorded = False
    world.flow.answer = first_time(lambda: InDoubt(soon(60), ERROR))
    world.ask("m1")
    async with world.running():
        await until(lambda: world.watch.waiting)
        await quiet(0.1)
        assert world.kafka.transactions == []


async def test_a_doubt_is_looked_at_again_when_its_time_is_over():
    world = World()
    world.flow.answer = first_time(lambda: InDoubt(soon(0.1), ERROR))
    world.ask("m1")
    async with world.running():
        await until(lambda: world.kafka.committed == {AT: 1})


async def test_the_next_of_a_conversation_waits_for_a_doubt():
    world = World()
    world.flow.answer = lambda job, nth: InDoubt(soon(60)) if (job.message_id, nth) == ("m1", 1) else Sent("w")
    world.ask("m1")
    world.ask("m2")
    async with world.running():
        await until(lambda: world.watch.waiting)
        await quiet()
        assert world.flow.ids == ["m1"]


async def test_a_session_that_ends_waits_for_no_doubts_any_more():
    world = World()
    world.flow.answer = first_time(lambda: InDoubt(soon(60), ERROR))
    world.ask("m1")
    async with world.running():
        await until(lambda: world.watch.waiting)
    assert world.watch.waiting == {}


async def test_what_was_deferred_is_tried_again_in_its_time_and_says_how_often():
    world = World()
    world.flow.answer = lambda _job, nth: Defer(soon(0.03), ERROR) if nth < 4 else Sent("w")
    world.ask("m1")
    async with world.running():
        await world.until_done("m1")
    assert [(taken.strikes, taken.look) for taken in world.flow.taken] == [(0, False), (1, True), (2, True), (3, True)]
    assert [offsets for _, offsets in world.kafka.transactions] == [{AT: 1}]


SMALL = Bounds(lane=2, tenant=100, total=100, load=2, long_seconds=0.05)
HELD = Hold(base=60.0, cap=60.0, refused=True)


async def test_a_number_that_is_refused_waits_as_a_whole_until_its_account_changes():
    world = World()
    refused = [True]
    world.flow.answer = lambda job, _nth: Defer(soon(), ERROR, HELD) if job.chatbot_id == "b" and refused else Sent("w")
    world.ask("m1", to=1)
    async with world.running():
        await until(lambda: world.session.lanes.holds.refused_count(time.time()) == 1)
        world.ask("m2", to=2)
        world.ask("other", bot="another")
        await world.until_done("other")
        await quiet()
        assert "m2" not in world.flow.ids
        refused.clear()
        world.worker.account_changed("another")
        await quiet()
        assert "m2" not in world.flow.ids
        world.worker.account_changed("b")
        await world.until_done("m1", "m2")


async def test_what_waits_for_a_refused_number_is_told_of_and_ends_in_the_end():
    world = World(bounds=Bounds(long_seconds=1_000.0, max_hold_seconds=0.4))
    world.flow.answer = lambda _job, _nth: Defer(soon(), ERROR, HELD)
    world.ask("m1", to=1)
    async with world.running():
        await until(world.kafka.results)
        (queued,) = world.kafka.results()
        assert (queued["type"], queued["data"]["error"]["code"]) == ("send.queued", ERROR.code)
        assert queued["data"]["due"] > queued["data"]["at"]
        world.ask("m2", to=2)
        await until(lambda: len(world.kafka.results()) == 3)
    ended = {
        r["data"]["messageId"]: r["data"]["error"]["code"] for r in world.kafka.results() if r["type"] == "send.failed"
    }
    assert ended == {"m1": ERROR.code, "m2": ERROR.code}
    assert world.kafka.to(DLQ) == []


def told_of_waits(world):
    """(message id, code, how long) of all `queued` events."""
    events = [json.loads(record.value) for record in world.kafka.to(RESULTS)]
    waits = [event["data"] for event in events if event["type"] == "send.queued"]
    now = time.time()
    return sorted(
        (wait["messageId"], wait["error"].get("code"), round(datetime.fromisoformat(wait["due"]).timestamp() - now, -1))
        for wait in waits
    )


@pytest.mark.parametrize("refused", [True, False], ids=["refused", "throttled or away"])
async def test_all_that_wait_behind_a_held_number_are_told_why_and_until_when_and_once(refused):
    world = World(bounds=SMALL)
    world.flow.answer = lambda _job, _nth: Defer(soon(-0.001), ERROR, Hold(base=60.0, cap=60.0, refused=refused))
    for n in range(1, 4):
        world.ask(f"m{n}", to=n)
    world.ask("behind", to=1)
    async with world.running():
        await until(lambda: len(world.parked.sends) == 4)
        world.ask("later", to=9)
        await until(lambda: len(world.parked.sends) == 5)
        await until(lambda: world.kafka.committed == {AT: 5})
        await quiet()
    expected = ["behind", "later", "m1", "m2", "m3"]
    assert told_of_waits(world) == [(name, ERROR.code, 60.0) for name in expected]
    assert {send.wait[1] for send in world.parked.sends.values()} == {ERROR.reason}


async def test_what_waits_for_meta_in_a_long_outage_is_told_of_once_and_stays_in_memory():
    world = World(bounds=Bounds(long_seconds=5.0))
    world.flow.breaker.away, world.flow.breaker.away_since = 9.0, time.time() - 60
    for n in range(3):
        world.ask(f"m{n}", to=1)
    world.ask("read", message={"type": "read", "message_id": "wamid.x"})
    async with world.running():
        await until(lambda: len(told_of_waits(world)) == 3)
        world.ask("m3", to=2)
        await until(lambda: len(told_of_waits(world)) == 4)
        world.session.state.changed.set()
        await quiet(0.3)
        assert told_of_waits(world) == [(f"m{n}", None, 10.0) for n in range(4)]
        assert (world.parked.sends, world.kafka.committed) == ({}, {})
        world.flow.breaker.away = 0.0
        world.session.state.changed.set()
        await world.until_done("m0", "m1", "m2", "m3")
    assert len(told_of_waits(world)) == 4


async def test_a_short_outage_is_not_told():
    world = World(bounds=Bounds(long_seconds=5.0))
    world.flow.breaker.away, world.flow.breaker.away_since = 9.0, time.time() - 1
    world.ask("m1")
    async with world.running():
        await until(lambda: world.session.lanes.memory.size)
        await quiet(0.3)
    assert told_of_waits(world) == []


async def test_what_is_parked_for_want_of_room_or_behind_its_conversation_says_so():
    world = World(bounds=SMALL)
    world.flow.answer = lambda _job, _nth: Defer(soon(60), ERROR)
    world.ask("m1")
    world.ask("m2")
    async with world.running():
        await until(lambda: len(world.parked.sends) == 2)
        await until(lambda: world.kafka.committed == {AT: 2})
    assert {send.record.value.decode()[-4:-2]: send.wait[1] for send in world.parked.sends.values()} == {
        "m1": ERROR.reason,
        "m2": "behind_others",
    }


@pytest.mark.parametrize("answered", [True, False])
async def test_a_number_is_let_go_as_a_whole_when_meta_answers(answered):
    world = World()
    gate = asyncio.Event()

    async def slow():
        await gate.wait()
        return Sent("w")

    # The first is refused, the second is the probe that does well; what comes then stays under way.
    answers = iter([Defer(soon(), ERROR, Hold(base=0.3, cap=0.3, refused=True)), Sent("w")])
    world.flow.answer = lambda _job, _nth: next(answers, None) or slow()
    world.ask("m0", to=9)
    async with world.running():
        await until(lambda: world.session.lanes.holds.refused_count(time.time()) == 1)
        world.flow.answered = answered
        for n in range(1, 6):
            world.ask(f"m{n}", to=n)
        await until(lambda: len(world.flow.taken) >= 3)
        await quiet()
        assert len(world.flow.taken) == (7 if answered else 3)
        gate.set()
        await world.until_done(*(f"m{n}" for n in range(6)))


async def test_the_breaker_is_told_when_each_call_begins_and_ends():
    world = World()
    world.ask("m1")
    async with world.running():
        await world.until_done("m1")
        await until(lambda: "ended" in world.events)
    assert [event for event in world.events if event in {"began", "step m1", "ended"}] == ["began", "step m1", "ended"]
    assert world.flow.breaker.under_way == set()


async def test_while_meta_is_away_nothing_is_called_and_when_it_is_back_all_goes(monkeypatch):
    monkeypatch.setattr("sender.worker.dispatcher._AWAY_POLL_SECONDS", 3_600.0)
    world = World()
    world.flow.breaker.away = float("inf")
    world.ask("m1")
    async with world.running():
        await until(lambda: f"read 0 of {SEND}" in world.events)
        await quiet()
        assert world.flow.taken == []
        world.flow.breaker.away = 0.0
        world.worker.meta_is_back()
        await world.until_done("m1")


async def test_a_step_without_a_call_gives_its_place_in_the_pace_back():
    world = World()
    world.flow.calls_meta = lambda job: job.message_id == "called"
    world.ask("not called", to=1)
    async with world.running():
        await world.until_done("not called")
        pace = world.paces.number("b")
        assert pace.available(time.time()) == 1_000
        world.ask("called", to=2)
        await world.until_done("called")
        assert pace.available(time.time()) == 999


async def test_a_step_that_fails_gives_its_place_in_the_pace_and_its_slot_back():
    world = World(slots=1)
    world.flow.answer = lambda _job, _nth: RuntimeError("injected")
    world.ask("m1")
    with pytest.raises(RuntimeError, match="injected"):
        await world.start()
    assert world.paces.number("b").available(time.time()) == 1_000
    async with asyncio.timeout(1):
        await world.slots.acquire(lambda: 0.0)


async def test_a_call_that_has_ended_makes_room_for_the_next():
    world = World(slots=1)
    for n in range(5):
        world.ask(f"m{n}", to=n + 1)
    async with world.running():
        await world.until_done(*(f"m{n}" for n in range(5)))


async def test_what_meta_took_counts_for_the_pace_of_its_recipient():
    world = World()
    taken = []
    world.paces.pairs.sent = lambda lane, _now: taken.append(lane)
    answers = {"sent": Sent("w"), "doubt": InDoubt(soon(60)), "failed": Dead(ERROR), "deferred": Defer(soon(60), ERROR)}
    world.flow.answer = lambda job, _nth: answers[job.message_id]
    for n, message_id in enumerate(answers):
        world.ask(message_id, to=n)
    async with world.running():
        await until(lambda: len(world.flow.taken) == 4)
        await world.until_done("sent", "doubt", "failed")
    assert sorted(taken) == ["b|p:4915100000000", "b|p:4915100000001"]


async def test_a_recipient_that_had_too_many_is_held_and_no_other():
    world = World()
    many = ERROR.__class__(code=131056, reason="pair_rate_limit")
    refused = []
    world.paces.pairs.refused = lambda lane, _now: refused.append(lane)
    world.flow.answer = first_time(lambda: Defer(soon(), many))
    world.flow.answered = True
    world.ask("m1", to=1)
    async with world.running():
        await world.until_done("m1")
    assert refused == ["b|p:4915100000001"]
    assert world.paces.number("b").rate == 1_000


async def test_a_number_that_is_too_fast_goes_slower():
    world = World()
    too_fast = ERROR.__class__(code=130429, reason="rate_limit")
    world.flow.answer = first_time(lambda: Defer(soon(), too_fast))
    world.ask("m1")
    async with world.running():
        await world.until_done("m1")
    assert world.paces.number("b").rate < 1_000


async def test_calls_under_way_are_finished_and_committed_when_the_session_is_to_end():
    world = World()
    gate = asyncio.Event()

    async def slow():
        await gate.wait()
        return Sent("w")

    world.flow.answer = lambda _job, _nth: slow()
    world.ask("m1")
    running = world.start()
    await until(lambda: world.flow.taken)
    world.kafka.stopping.set()
    await quiet()
    assert not running.done()
    gate.set()
    await world.stop(running)
    assert (len(world.kafka.results()), world.kafka.committed) == (1, {AT: 1})


async def test_a_call_that_does_not_end_in_time_is_cut_off_and_not_committed():
    world = World(drain=0.1)
    world.flow.answer = lambda _job, _nth: asyncio.sleep(3_600)
    world.ask("m1")
    running = world.start()
    await until(lambda: world.flow.taken)
    began = time.monotonic()
    await world.stop(running)
    assert 0.1 <= time.monotonic() - began < 5
    assert world.kafka.transactions == []


async def test_a_session_to_end_starts_nothing_more():
    world = World(slots=1)
    gate = asyncio.Event()

    async def slow():
        await gate.wait()
        return Sent("w")

    world.flow.answer = lambda _job, _nth: slow()
    for n in range(3):
        world.ask(f"m{n}", to=n + 1)
    running = world.start()
    await until(lambda: world.flow.taken)
    world.kafka.stopping.set()
    await quiet()
    gate.set()
    await world.stop(running)
    assert len(world.flow.taken) == 1
    assert world.kafka.committed == {AT: 1}


async def test_when_a_step_fails_the_calls_under_way_are_finished_and_nothing_is_committed():
    world = World()
    ended = []

    async def slow():
        await asyncio.sleep(0.1)
        ended.append(1)
        return Sent("w")

    def answer(job, _nth):
        return slow() if job.message_id == "slow" else RuntimeError("injected")

    world.flow.answer = answer
    world.ask("slow", to=1)
    world.ask("fails", to=2)
    with pytest.raises(RuntimeError, match="injected"):
        await world.start()
    assert ended
    assert world.kafka.transactions == []


async def test_when_a_transaction_fails_the_session_does_and_nothing_follows_it():
    world = World()
    world.kafka.error = KafkaError("away")
    world.ask("m1")
    with pytest.raises(KafkaError):
        await world.start()
    assert world.kafka.transactions == []


async def test_each_session_has_an_owner_of_its_own():
    owners = set()
    for _ in range(2):
        world = World()
        world.ask("m1", to=1)
        world.ask("m2", to=2)
        async with world.running():
            await world.until_done("m1", "m2")
        (owner,) = {taken.owner for taken in world.flow.taken}
        owners.add(owner)
    assert len(owners) == 2


async def test_a_replay_looks_at_the_journal():
    world = World()
    world.ask("m1", headers=[("replay", b"1"), ("message-id", b"m1")])
    async with world.running():
        await world.until_done("m1")
    assert [taken.look for taken in world.flow.taken] == [True]


async def test_a_scheduled_send_is_stored_before_its_record_is_committed_and_released_once():
    world = World()
    world.scheduled.gate.clear()
    world.ask("later", sendAt=soon(0.4).isoformat())
    world.ask("now", to=2)
    async with world.running():
        await quiet(0.1)
        assert world.kafka.committed == {}
        world.scheduled.gate.set()
        await world.until_done("now")
        assert world.flow.ids == ["now"]
        await world.until_done("later")
        await until(lambda: world.scheduled.sends == {})
    (released,) = world.kafka.to(SEND)
    assert dict(released.headers)["released-from"] == f"{SEND}/0/0".encode()
    assert world.events.index("removed") > world.events.index("commit")


async def test_a_scheduled_send_stays_in_its_store_until_its_release_is_committed():
    world = World()
    world.ask("later", sendAt=soon(0.3).isoformat())
    async with world.running():
        await until(lambda: world.kafka.committed == {AT: 1})
        world.kafka.open.clear()
        await quiet(0.5)
        assert len(world.scheduled.sends) == 1
        world.kafka.open.set()
        await until(lambda: world.scheduled.sends == {})


def apart(seconds, *, news=True):
    return Apart(soon(seconds), ERROR, "template a", news)


async def test_a_refused_template_leaves_its_conversation_is_told_of_and_comes_back():
    world = World()
    world.flow.answer = lambda job, nth: apart(0.4) if (job.message_id, nth) == ("refused", 1) else Sent("w")
    world.ask("refused")
    world.ask("reply")  # to the same person
    async with world.running():
        await world.until_done("reply")
        assert world.flow.ids == ["refused", "reply"]
        assert [send.apart for send in world.scheduled.sends.values()] == [("b", "template a")]
        await until(lambda: world.kafka.committed.get(AT) == 2)
        await until(lambda: len(world.kafka.results()) == 3)
        await until(lambda: world.scheduled.sends == {})
    queued, _, _ = sorted(world.kafka.results(), key=lambda result: result["type"], reverse=True)
    assert (queued["type"], queued["data"]["error"]["code"]) == ("send.queued", 131000)
    assert queued["data"]["due"] > queued["data"]["at"]
    again = world.flow.taken[-1]
    assert (again.id, again.look) == ("refused", True)


async def test_a_refused_template_is_stored_before_its_record_is_committed():
    world = World()
    world.flow.answer = lambda _job, nth: apart(0.2) if nth < 3 else Sent("w")
    world.scheduled.gate.clear()
    world.ask("refused")
    async with world.running():
        await until(lambda: world.flow.ids == ["refused"])
        await quiet()
        assert world.kafka.committed == {}
        world.scheduled.gate.set()
        await until(lambda: len(world.flow.ids) == 3)
        await until(lambda: world.scheduled.sends == {})
    assert [result["type"] for result in world.kafka.results()].count("send.accepted") == 1


async def test_what_is_no_news_is_not_told_again():
    world = World()
    world.flow.answer = lambda _job, nth: apart(0.1, news=False) if nth == 1 else Sent("w")
    world.ask("refused")
    async with world.running():
        await world.until_done("refused")
    assert [result["type"] for result in world.kafka.results()] == ["send.accepted"]


async def test_what_waits_apart_comes_back_when_meta_takes_its_template_again():
    world = World()
    world.flow.answer = lambda _job, nth: apart(600) if nth == 1 else Sent("w")
    world.ask("refused")
    async with world.running():
        await until(lambda: world.scheduled.sends)
        world.worker.taken_again("b", "another template")
        await quiet()
        assert world.flow.ids == ["refused"]
        world.worker.taken_again("b", "template a")
        await until(lambda: world.flow.ids == ["refused", "refused"])


async def test_a_retry_whose_template_is_refused_then_waits_apart_too():
    world = World()
    answers = {1: lambda: Retry(soon(), ERROR, 1), 2: lambda: apart(0.1)}
    world.flow.answer = lambda _job, nth: answers.get(nth, lambda: Sent("w"))()
    world.ask("m1")
    async with world.running():
        await until(lambda: [result["type"] for result in world.kafka.results()][-1:] == ["send.accepted"])
    assert [taken.job.attempts for taken in world.flow.taken] == [0, 1, 1]


async def test_what_waits_long_is_stored_before_its_record_is_committed_and_taken_out_after_its_end():
    world = World(bounds=SMALL)
    world.flow.answer = first_time(lambda: Defer(soon(0.4), ERROR))
    world.parked.gate.clear()
    world.ask("m1")
    async with world.running():
        await until(lambda: world.flow.taken)
        await quiet(0.1)
        assert world.kafka.committed == {}
        world.parked.gate.set()
        await until(lambda: world.kafka.committed == {AT: 1})
        assert len(world.parked.sends) == 1
        world.kafka.open.clear()
        await until(lambda: len(world.flow.taken) == 2)
        await quiet()
        assert len(world.parked.sends) == 1
        world.kafka.open.set()
        await until(lambda: world.parked.sends == {})
    assert [taken.look for taken in world.flow.taken] == [False, True]
    assert len(world.kafka.results()) == 1
    (told,) = world.kafka.results(waiting=True)
    assert (told["data"]["messageId"], told["data"]["attempts"]) == ("m1", 0)
    assert told["data"]["due"] > told["data"]["at"]
    assert told["data"]["error"]["reason"]


async def test_what_a_lane_has_no_room_for_is_stored_and_keeps_its_order():
    world = World(bounds=SMALL)
    gate = asyncio.Event()

    async def slow():
        await gate.wait()
        return Sent("w")

    world.flow.answer = lambda _job, _nth: slow()
    wanted = [f"m{n}" for n in range(8)]
    for message_id in wanted:
        world.ask(message_id)
    async with world.running():
        await until(lambda: len(world.parked.sends) == 6)
        gate.set()
        await world.until_done(*wanted)
        await until(lambda: world.parked.sends == {} and world.kafka.committed == {AT: 8})
    assert world.flow.ids == wanted


async def test_what_was_parked_before_the_session_waits_until_what_comes_before_it_was_read():
    before = World(bounds=SMALL)
    before.flow.answer = lambda _job, _nth: Defer(soon(0.1), ERROR)
    for n in range(3):
        before.ask(f"m{n}")
    async with before.running():
        await until(lambda: len(before.parked.sends) == 3)
    world = World(bounds=SMALL)
    world.parked.sends = {send.id: send for send in before.parked.sends.values() if send.order > 0}
    read, fetch = asyncio.Event(), world.kafka.fetch

    async def late(partitions=(), **options):
        if not partitions:
            await asyncio.sleep(0.2)
            read.set()
        return await fetch(partitions, **options)

    world.kafka.fetch = late
    for n in range(3):
        world.ask(f"m{n}")
    async with world.running():
        await world.until_done("m0", "m1", "m2")
        assert read.is_set()
    assert list(dict.fromkeys(world.flow.ids)) == ["m0", "m1", "m2"]


async def test_what_was_parked_before_the_session_goes_before_what_came_after_it():
    before = World(bounds=SMALL)
    before.flow.answer = lambda _job, _nth: Defer(soon(0.3), ERROR)
    for n in range(3):
        before.ask(f"m{n}")
    async with before.running():
        await until(lambda: before.kafka.committed == {AT: 3})
    world = World(bounds=SMALL)
    world.parked.sends = dict(before.parked.sends)
    for n in range(4):
        world.ask(f"m{n}")
    world.kafka.at[AT] = 3
    async with world.running():
        await world.until_done(*(f"m{n}" for n in range(4)))
        await until(lambda: world.parked.sends == {})
    assert world.flow.ids == [f"m{n}" for n in range(4)]
    assert [taken.look for taken in world.flow.taken[:3]] == [True] * 3


async def test_the_pace_of_a_number_is_learnt_from_its_last_owner_and_only_by_its_new_one():
    world = World()
    world.kafka.count = 3
    ours = next(f"bot{n}" for n in range(100) if partition_of(f"bot{n}", 3) == PARTITION)
    other = next(f"bot{n}" for n in range(100) if partition_of(f"bot{n}", 3) != PARTITION)
    world.lately = [RecentTimes(bot, "+4915100000001", [datetime.now(UTC)] * 5) for bot in (ours, other)]
    async with world.running():
        await until(lambda: ours in dict(world.paces.numbers()))
    assert world.paces.number(ours).available(time.time()) < 1_000
    assert other not in dict(world.paces.numbers())


async def test_once_meta_has_named_phone_and_bsuid_their_messages_go_one_after_the_other():
    world = World()
    phone, user = "+5215512345678", "MX.1349"
    gate, under_way = asyncio.Event(), []

    async def answered(job):
        under_way.append(job.message_id)
        if job.message_id != "first":
            await gate.wait()
        return Sent("w", Contact(user_id=user, wa_id="5215512345678"))

    world.flow.answer = lambda job, _nth: answered(job)
    world.ask("first", to=user)
    async with world.running():
        await world.until_done("first")
        for message_id, to in (("a", user), ("b", phone), ("c", "+52 55 1234 5678"), ("other", "+525512345679")):
            world.ask(message_id, to=to)
        await until(lambda: "other" in under_way)
        await quiet()
        assert under_way == ["first", "a", "other"]
        gate.set()
        await world.until_done("a", "b", "c", "other")
    assert [send for send in under_way if send != "other"] == ["first", "a", "b", "c"]
