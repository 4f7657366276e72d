"""Lanes: order within a conversation, flow between them, and a commit position that never passes unfinished work."""

from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from common.contracts.messages import MetaError
from sender.dispatch.fair_queue import NEVER
from sender.dispatch.lanes import Lanes
from sender.dispatch.model import Bounds, Item, Load, LoadBacklog
from sender.worker.offsets import OffsetTracker


def item(send, lane="a", order=0, attempt=0, *, due=0.0, partition="send", tenant="g", bulk=False):
    return Item(
        id=send, lane=lane, tenant=tenant, order=order, attempt=attempt, partition=partition, offset=order, payload=None,
        due=due, bulk=bulk,
    )  # fmt: skip


def loaded(one):
    """What comes back from the store for a parked record."""
    return replace(one, partition=None, parked=f"copy of {one.id}")


def taken(lanes, now=0.0):
    found = []
    while (head := lanes.take(now)) is not None:
        found.append(head.id)
    return found


def filled(*items):
    lanes = Lanes()
    for one in items:
        assert lanes.arrivals.offer(one) is None
    return lanes


def test_one_message_of_each_lane_goes_at_a_time():
    first = item("1")
    lanes = filled(first, item("2", order=1), item("3", "b", order=2))
    assert taken(lanes) == ["1", "3"]
    lanes.finish(first)
    assert taken(lanes) == ["2"]


def test_a_send_that_has_just_arrived_counts_in_the_urgency():
    lanes = Lanes()
    assert lanes.urgency(0.0) == NEVER
    lanes.arrivals.offer(item("1", due=5.0))
    assert lanes.urgency(0.0) == NEVER
    assert lanes.urgency(5.0) == 0.0
    assert taken(lanes, 5.0) == ["1"]


def test_a_load_is_most_urgent_and_the_next_that_is_taken():
    lanes = Lanes(Bounds(lane=1, load=2))
    for order in range(3):
        one = item(str(order), order=order)
        if lanes.arrivals.park(one):
            lanes.overflow.stored("a", 1)
        else:
            lanes.arrivals.offer(one)
    first = lanes.take(0.0)
    assert lanes.urgency(0.0) == NEVER
    lanes.finish(first)
    assert lanes.urgency(0.0) == lanes.urgency(0.0) == -NEVER
    assert lanes.take(0.0) == Load("a", 0, 2)
    assert lanes.take(0.0) is None
    assert lanes.urgency(0.0) == NEVER


@pytest.mark.parametrize("end", ["finish", "block", "expect"])
def test_two_records_of_one_send_never_go_at_the_same_time(end):
    first, replay = item("1"), item("1/1", "b", order=1)
    lanes = filled(first, replay, item("2", "c", order=2), item("1/2", "d", order=3))
    assert taken(lanes) == ["1", "2"]
    if end == "finish":
        lanes.finish(first)
    elif end == "block":
        lanes.block(first, 5.0, 0.0)
    else:
        lanes.expect(first, 1)
    assert taken(lanes) == ["1/1"]
    lanes.finish(replay)
    assert taken(lanes) == ["1/2"]


def test_a_record_that_waits_for_another_of_its_send_holds_up_no_other_lane_of_a_paused_number():
    first = item("1")
    lanes = filled(first, item("1/1", "b", order=1), item("2", "c", order=2))
    assert lanes.take(0.0) is first
    lanes.hold("g", 0.0, 1.0, 10.0)
    assert taken(lanes, 2.0) == ["2"]  # the probe: not the replay, which could not go


def test_a_lane_waits_for_its_blocked_head():
    first = item("1")
    lanes = filled(first, item("2", order=1))
    lanes.take(0)
    lanes.block(first, 5.0, 0.0)
    assert taken(lanes, 4.9) == []
    assert lanes.next_due() == 5.0
    assert taken(lanes, 5.0) == ["1"]


def test_a_blocked_head_can_be_woken():
    first = item("1")
    lanes = filled(first, item("2", order=1))
    lanes.take(0)
    lanes.block(first, 4.5, 0.0)
    lanes.wake("1", "a", 3.0)
    lanes.wake("unknown", "a", 3.0)
    lanes.wake("1", "unknown", 3.0)
    assert taken(lanes, 3.0) == ["1"]
    lanes.wake("1", "a", 3.0)  # busy: nothing to wake
    assert taken(lanes, 3.0) == []


def test_a_lane_waits_for_the_retry_that_it_expects():
    first, retry = item("1"), item("1", attempt=1, due=2.0, partition="retry")
    lanes = filled(first, item("2", order=1))
    lanes.take(0)
    lanes.expect(first, 1)
    assert taken(lanes, 100) == []
    assert lanes.memory.size == 2
    assert lanes.arrivals.offer(retry) is None
    assert taken(lanes, 1.9) == []
    assert taken(lanes, 2.0) == ["1"]
    lanes.finish(retry)
    assert taken(lanes, 2.0) == ["2"]


def test_a_stale_record_of_an_expected_send_is_superfluous():
    first, stale = item("1"), item("1", attempt=0, partition="again")
    lanes = filled(first)
    lanes.take(0)
    lanes.expect(first, 1)
    assert lanes.arrivals.offer(stale) is stale


def test_of_two_records_of_a_send_the_later_attempt_counts():
    old, new = item("1", attempt=1), item("1", attempt=2, due=4.0)
    lanes = filled(old)
    assert lanes.arrivals.offer(new) is old
    assert lanes.arrivals.offer(item("1", attempt=1)).attempt == 1
    assert taken(lanes, 3.9) == []
    assert taken(lanes, 4.0) == ["1"]
    newest = item("1", attempt=3)
    assert lanes.arrivals.offer(newest) is newest  # what is busy is left alone


def test_a_backlog_is_put_in_its_first_order():
    lanes = filled(item("late", order=9, attempt=1, partition="r4"), item("early", order=3, attempt=1, partition="r2"))
    assert taken(lanes) == ["early"]


def test_a_held_group_waits_and_sends_a_probe_first():
    lanes = filled(*[item(str(n), f"lane{n}", n) for n in range(4)], item("x", "other", 9, tenant="h"))
    lanes.hold("g", now=0.0, base=1.0, cap=60.0)
    assert taken(lanes, 0.5) == ["x"]
    assert lanes.next_due() == 1.0
    (probe,) = taken(lanes, 1.0)
    assert taken(lanes, 1.5) == []
    assert lanes.next_due() is None
    lanes.lift("g")
    assert sorted([probe, *taken(lanes, 1.5)]) == ["0", "1", "2", "3"]


def test_a_held_group_is_probed_by_a_conversation_message():
    campaign = [item(f"c{n}", f"c{n}", order=n, bulk=True) for n in range(3)]
    lanes = filled(*campaign)
    first = lanes.take(0.0)
    lanes.hold("g", now=0.0, base=1.0, cap=60.0)
    lanes.block(first, 0.0, 0.0)
    assert taken(lanes, 0.5) == []  # all of them wait now
    reply = item("reply", "person", order=9)
    lanes.arrivals.offer(reply)
    assert taken(lanes, 0.6) == []
    assert taken(lanes, 1.0) == ["reply"]
    lanes.hold("g", now=1.0, base=1.0, cap=60.0)
    lanes.block(reply, 1.0, 1.0)
    lanes.arrivals.offer(item("to the same", "c1", order=10))  # a conversation message behind a campaign's message
    assert taken(lanes, 3.0) == ["c1"]


def test_a_campaign_does_not_take_the_probe_of_a_conversation_message():
    reply, campaign = item("reply", "person", order=1), item("c", "c", order=2, bulk=True)
    lanes = filled(reply)
    lanes.take(0.0)
    lanes.hold("g", now=0.0, base=1.0, cap=60.0)
    lanes.block(reply, 0.0, 0.0)
    assert taken(lanes, 0.5) == []
    lanes.arrivals.offer(campaign)
    assert taken(lanes, 5.0) == ["reply"]
    lanes.lift("g")
    lanes.finish(reply)
    assert taken(lanes, 5.0) == ["c"]


def test_what_waits_for_a_number_that_is_refused_too_long_is_ended_and_the_number_still_probed():
    lanes = Lanes(Bounds(max_hold_seconds=100.0, long_seconds=1_000.0))
    items = [item(str(n), str(n), order=n) for n in range(3)]
    for one in items:
        lanes.arrivals.offer(one)
    first, reason = lanes.take(0.0), MetaError(code=131042)
    lanes.hold("g", now=0.0, base=60.0, cap=60.0, refused=True, reason=reason)
    lanes.block(first, 0.0, 0.0)
    assert taken(lanes, 59.0) == []
    probe = lanes.take(60.0)
    assert lanes.give_up_error(probe, 60.0) is None
    lanes.hold("g", now=60.0, base=60.0, cap=60.0, refused=True, reason=reason)
    lanes.block(probe, 60.0, 60.0)
    assert taken(lanes, 99.9) == []
    assert lanes.next_due() == 100.0
    ended = [lanes.take(100.0) for _ in range(3)]
    assert {lanes.give_up_error(one, 100.0) for one in ended} == {reason}
    for one in ended:
        lanes.finish(one)
    late = item("late", "late", order=9)
    lanes.arrivals.offer(late)
    assert lanes.give_up_error(lanes.take(110.0), 110.0) is reason
    lanes.finish(late)
    again = item("again", "again", order=10)
    lanes.arrivals.offer(again)
    assert lanes.give_up_error(lanes.take(120.0), 120.0) is None  # the probe
    lanes.lift("g")
    lanes.finish(again)
    lanes.arrivals.offer(item("then", "then", order=11))
    assert lanes.give_up_error(lanes.take(120.0), 120.0) is None


def test_a_changed_account_is_no_reason_to_end_what_waits():
    lanes = Lanes(Bounds(max_hold_seconds=100.0, long_seconds=1_000.0))
    lanes.arrivals.offer(item("1"))
    first = lanes.take(0.0)
    lanes.hold("g", now=0.0, base=60.0, cap=60.0, refused=True, reason=MetaError(code=190))
    lanes.block(first, 0.0, 0.0)
    assert taken(lanes, 1.0) == []
    lanes.holds.probe_now("g", 99.0)
    lanes.arrivals.offer(item("2", "b", order=2))
    probe = lanes.take(150.0)
    assert lanes.take(150.0) is None
    assert lanes.give_up_error(probe, 150.0) is None


def test_a_pace_is_never_a_reason_to_end_what_waits():
    lanes = Lanes(Bounds(max_hold_seconds=100.0, long_seconds=1_000.0))
    lanes.arrivals.offer(item("1"))
    for now in (0.0, 60.0, 120.0):
        one = lanes.take(now)
        assert lanes.give_up_error(one, now) is None
        lanes.hold("g", now=now, base=60.0, cap=60.0)
        lanes.block(one, now, now)
    assert taken(lanes, 170.0) == []


def test_holds_double_in_a_row_and_not_for_calls_already_under_way():
    first, second = item("1", "a"), item("2", "b", 1)
    lanes = filled(first, second)
    assert taken(lanes) == ["1", "2"]
    for one in (first, second):
        lanes.hold("g", now=0.0, base=1.0, cap=3.0)
        lanes.block(one, 0.0, 0.0)
    waits = []
    now = 0.0
    for _ in range(3):
        assert taken(lanes, now) == []
        waits.append(lanes.next_due() - now)
        now = lanes.next_due()
        probe = lanes.take(now)
        lanes.hold("g", now=now, base=1.0, cap=3.0)
        lanes.block(probe, now, now)
    assert waits == [1.0, 2.0, 3.0]
    lanes.lift("g")
    assert sorted(taken(lanes, now)) == ["1", "2"]


def test_a_probe_that_says_nothing_lets_the_next_one_try():
    lanes = filled(item("1", "a"), item("2", "b", 1))
    lanes.hold("g", now=0.0, base=1.0, cap=3.0)
    assert taken(lanes, 0.0) == []
    probe = lanes.take(1.0)
    lanes.finish(probe)
    assert len(taken(lanes, 1.0)) == 1


def test_a_release_tries_at_once():
    lanes = filled(item("1", "a"), item("2", "b", 1))
    lanes.hold("g", now=0.0, base=5.0, cap=300.0)
    assert taken(lanes, 0.0) == []
    lanes.holds.probe_now("g", 3.0)
    lanes.holds.probe_now("unknown", 3.0)
    assert len(taken(lanes, 3.0)) == 1


def test_a_long_wait_is_parked_with_what_waits_behind_it():
    first, second = item("1"), item("2", order=1)
    lanes = filled(first, second)
    lanes.take(0)
    lanes.block(first, 30.0, 0.0)
    assert lanes.overflow.leaving() == [first, second]
    assert lanes.overflow.leaving() == []
    assert (lanes.memory.size, taken(lanes, 40.0)) == (0, [])  # nothing is loaded before it is stored
    third = item("3", order=2)
    assert lanes.arrivals.park(third)  # behind those that are parked
    lanes.overflow.stored("a", 2)
    assert lanes.take(40.0) is None
    lanes.overflow.stored("a", 1)
    assert lanes.take(29.9) is None
    load = lanes.take(30.0)
    assert load == Load("a", -1, load.version)
    assert lanes.arrivals.loaded(load, [loaded(first), loaded(second), loaded(third)], more=False) == []
    assert taken(lanes, 30.0) == ["1"]
    assert not lanes.arrivals.park(item("4", order=3))  # there is no tail any more


def test_a_held_group_is_parked_when_the_hold_is_long_and_one_lane_is_loaded_as_its_probe():
    lanes = filled(item("1", "a"), item("2", "b", 1))
    lanes.hold("g", now=0.0, base=60.0, cap=60.0)
    assert lanes.take(0.0) is None
    assert [one.id for one in lanes.overflow.leaving()] == ["1", "2"]
    lanes.overflow.stored("a", 1)
    lanes.overflow.stored("b", 1)
    load = lanes.take(60.0)
    assert lanes.take(60.0) is None
    lanes.arrivals.loaded(load, [loaded(item("1", load.lane))], more=False)
    assert taken(lanes, 60.0) == ["1"]
    lanes.lift("g")
    assert lanes.take(60.0).lane == "b"


def test_a_settled_doubt_wakes_its_parked_lane():
    first = item("1")
    lanes = filled(first)
    lanes.take(0)
    lanes.block(first, 30.0, 0.0)
    lanes.overflow.leaving()
    lanes.overflow.stored("a", 1)
    assert lanes.take(1.0) is None
    lanes.wake("1", "a", 1.0)
    assert isinstance(lanes.take(1.0), Load)


def read_all(lanes, records):
    """Offer or park each; returns the ids of the parked ones, those in a backlog in brackets."""
    parked = []
    for one in records:
        if not lanes.arrivals.park(one):
            assert lanes.arrivals.offer(one) is None
        elif one.backlog:
            lanes.overflow.stored_backlog(one.tenant, 1, one.order)
            parked.append(f"({one.id})")
        else:
            lanes.overflow.stored(one.lane, 1)
            parked.append(one.id)
    return parked


def test_what_a_lane_or_a_group_cannot_hold_is_parked():
    lanes = Lanes(Bounds(lane=2, tenant=3, total=40, load=1))
    records = [item("1"), item("2", order=1), item("3", order=2), item("4", "b", 3), item("5", "c", 4)]
    records += [item("6", "x", 5, tenant="h"), item("7", "x", 6, tenant="h")]
    assert read_all(lanes, records) == ["3", "(5)"]
    assert taken(lanes) == ["1", "6", "4"]  # each tenant in its turn; and there is no room to load another
    lanes.finish(records[0])
    assert taken(lanes) == ["2"]
    lanes.finish(records[1])
    load = lanes.take(0.0)
    assert load.lane == "a"
    lanes.arrivals.loaded(load, [loaded(records[2])], more=False)
    assert taken(lanes) == ["3"]
    for send in ("3", "4"):
        lanes.finish(lanes.arrivals.items[send])
    load = lanes.take(0.0)
    assert (load.tenant, load.after, load.upto) == ("g", -1, 4)
    lanes.arrivals.loaded_backlog(load, [loaded(records[4])], more=False, upto=4)
    assert taken(lanes) == ["5"]
    assert not lanes.arrivals.park(item("in room", "e", 6))
    lanes.arrivals.offer(item("in room", "e", 6))
    lanes.arrivals.offer(item("too", "f", 6))
    assert read_all(lanes, [item("8", "d", 7)]) == ["(8)"]  # full again, and then the backlog is new


def test_a_campaign_has_half_of_its_groups_room_and_what_is_awaited_goes_past_its_backlog():
    lanes = Lanes(Bounds(tenant=4, total=40, load=2, chunk=2))
    campaign = [item(f"c{n}", f"lane{n}", n, bulk=True) for n in range(6)]
    assert read_all(lanes, campaign) == ["(c2)", "(c3)", "(c4)", "(c5)"]
    reply = item("r", "lane5", 6)
    assert read_all(lanes, [reply]) == ["r"]  # behind what its own lane has in the backlog
    load = lanes.take(0.0)
    assert (load.lane, load.after) == ("lane5", -1)
    lanes.arrivals.loaded(load, [loaded(campaign[5]), loaded(reply)], more=False)
    assert taken(lanes) == ["c5", "c0", "c1"]
    lanes.finish(lanes.arrivals.items["c5"])
    lanes.overflow.copy_ended("copy of c5")
    assert taken(lanes) == ["r"]
    for one in [*campaign[:2], lanes.arrivals.items["r"]]:
        lanes.finish(one)
    load = lanes.take(0.0)
    assert lanes.arrivals.loaded_backlog(load, [loaded(campaign[2]), loaded(campaign[3])], more=True, upto=3) == []
    second = [lanes.take(0.0), lanes.take(0.0)]
    assert [one.id for one in second] == ["c2", "c3"]
    for one in second:
        lanes.finish(one)
    load = lanes.take(0.0)
    assert lanes.arrivals.loaded_backlog(load, [loaded(campaign[4]), loaded(campaign[5])], more=True, upto=5) == []
    assert taken(lanes) == ["c4"]  # the last one has ended, though its copy is still there


def test_a_group_with_little_has_room_when_the_others_have_taken_all():
    lanes = Lanes(Bounds(lane=9, tenant=150, total=200))
    assert len(read_all(lanes, [item(f"g{n}", f"g{n}", n) for n in range(150)])) == 0
    assert len(read_all(lanes, [item(f"h{n}", f"h{n}", n, tenant="h") for n in range(150)])) == 100
    assert read_all(lanes, [item("q", "q", 900, tenant="quiet")]) == []


def test_a_backlog_of_a_paused_group_is_read_when_it_may_try_again():
    lanes = Lanes(Bounds(tenant=4, total=40))
    assert len(read_all(lanes, [item(str(n), f"lane{n}", n, bulk=True) for n in range(4)])) == 2
    first = [lanes.take(0.0), lanes.take(0.0)]
    lanes.hold("g", 0.0, 60.0, 60.0)
    for one in first:
        lanes.block(one, 0.0, 0.0)
    assert taken(lanes) == []
    for one in lanes.overflow.leaving():
        lanes.overflow.stored(one.lane, 1)
    assert lanes.take(59.0) is None
    assert lanes.next_due() == 60.0


def test_an_expiry_is_noticed_while_a_send_waits():
    one = item("1")
    one.expires = 3.0
    lanes = filled(one)
    lanes.take(0.0)
    lanes.block(one, 60.0, 0.0)
    assert taken(lanes, 2.9) == []
    assert taken(lanes, 3.0) == ["1"]
    lanes.block(one, 60.0, 3.0)
    assert lanes.overflow.leaving() == [one]


def test_what_is_on_its_way_into_the_store_takes_room():
    lanes = Lanes(Bounds(total=4, long_seconds=1))  # the fifth has the little that is always free
    for n in range(4):
        lanes.arrivals.offer(item(str(n), f"lane{n}", n))
    heads = [lanes.take(0.0) for _ in range(4)]
    for head in heads:
        lanes.block(head, 60.0, 0.0)
    assert (lanes.memory.size, len(lanes.overflow.leaving())) == (0, 4)
    assert read_all(lanes, [item(f"h{n}", f"h{n}", n, tenant="h") for n in range(2)]) == ["(h1)"]
    for head in heads:
        lanes.overflow.stored(head.lane, 1)
    assert read_all(lanes, [item(f"i{n}", f"i{n}", n, tenant="i") for n in range(2)]) == []


def test_a_load_that_was_overtaken_from_the_front_is_made_again():
    first = item("1", order=5)
    lanes = filled(first)
    lanes.take(0)
    lanes.block(first, 30.0, 0.0)
    lanes.overflow.leaving()
    lanes.overflow.stored("a", 1)
    load = lanes.take(30.0)
    earlier = item("0", order=2, attempt=1, partition="retry")
    assert lanes.arrivals.park(earlier)
    lanes.overflow.stored("a", 1)
    assert lanes.arrivals.loaded(load, [loaded(first)], more=False) == []
    again = lanes.take(30.0)
    assert again.after < 2
    lanes.arrivals.loaded(again, [loaded(earlier), loaded(first)], more=False)
    assert taken(lanes, 30.0) == ["0"]


def test_what_is_parked_between_those_of_a_load_is_not_passed_over():
    # A new session: the store has more than the offsets say, for a transaction failed.
    lanes = Lanes()
    lanes.overflow.restore_tail("a", "g", 0.0)
    load = lanes.take(0.0)
    assert lanes.arrivals.park(item("1", order=38))
    lanes.overflow.stored("a", 1)
    assert lanes.arrivals.loaded(load, [loaded(item("2", order=50))], more=False, upto=50) == []
    again = lanes.take(0.0)
    assert again.after < 38
    lanes.arrivals.loaded(again, [loaded(item("1", order=38)), loaded(item("2", order=50))], more=False, upto=50)
    assert taken(lanes) == ["1"]


def test_a_parked_copy_of_what_is_in_memory_is_superfluous():
    lanes = Lanes()
    lanes.overflow.restore_tail("a", "g", 0.0)
    retry = item("1", attempt=1, partition="retry")
    assert not lanes.arrivals.park(item("x", "b", 9))
    assert lanes.arrivals.park(retry)  # its lane has a tail: it goes in front of it there
    lanes.overflow.stored("a", 1)
    load = lanes.take(0.0)
    copy = loaded(retry)
    assert lanes.arrivals.loaded(load, [copy], more=True) == []
    assert lanes.arrivals.offer(item("1", order=7)).order == 7


def test_prefixes_follow_the_finished_records_over_gaps():
    offsets = OffsetTracker()
    for offset in (3, 4, 7, 9):
        offsets.track("p", offset)
    offsets.done("p", 4)
    assert offsets.committable() == {}
    offsets.done("p", 3)
    assert offsets.committable() == {"p": 7}  # what lies between is no record of ours
    assert offsets.committable() == {}
    offsets.done("p", 9)
    offsets.done("p", 7)
    assert offsets.committable() == {"p": 10}


@given(st.permutations(range(12)))
def test_a_prefix_never_passes_an_unfinished_record(order):
    offsets, finished, committed = OffsetTracker(), set(), 0
    for offset in range(12):
        offsets.track("p", offset)
    for offset in order:
        offsets.done("p", offset)
        finished.add(offset)
        committed = offsets.committable().get("p", committed)
        assert committed == next(n for n in range(13) if n not in finished)
    assert committed == 12


def test_a_probe_does_not_wait_for_room_that_waits_for_the_probe():
    lanes = Lanes(Bounds(lane=2, tenant=2, total=50, load=1))
    first, second, third = item("1", "a"), item("2", "b", 1), item("3", "c", 2)
    assert not any(lanes.arrivals.park(one) or lanes.arrivals.offer(one) for one in (first, second))
    assert lanes.arrivals.park(third)
    assert taken(lanes) == ["1", "2"]
    for one in (first, second):
        lanes.hold("g", 0.0, 1.0, 60.0)
        lanes.block(one, 0.0, 0.0)
    lanes.overflow.stored_backlog("g", 1, 2)
    now, tried = 0.0, []
    for _ in range(6):
        assert lanes.take(now) is None
        lanes.overflow.leaving()
        assert lanes.next_due() is not None
        now = lanes.next_due()
        probe = lanes.take(now)
        if isinstance(probe, Load):
            tried.append("load")
            lanes.lift("g")
            break
        tried.append(probe.id)
        lanes.hold("g", now, 1.0, 60.0)
        lanes.block(probe, now, now)
        for lane in {one.lane for one in lanes.overflow.leaving()}:
            lanes.overflow.stored(lane, 1)
    assert tried


def test_lanes_that_met_a_short_hold_are_parked_when_it_becomes_a_long_one():
    lanes = filled(*[item(str(n), f"lane{n}", n) for n in range(5)])
    head = lanes.take(0.0)
    lanes.hold("g", 0.0, 1.0, 60.0)
    lanes.block(head, 0.0, 0.0)
    assert taken(lanes, 0.5) == []
    assert lanes.overflow.leaving() == []
    (probe,) = [lanes.take(1.0)]
    lanes.hold("g", 1.0, 30.0, 300.0)
    lanes.block(probe, 1.0, 1.0)
    taken(lanes, 1.0)
    assert len(lanes.overflow.leaving()) == 5
    assert lanes.memory.size == 0


def test_loads_under_way_take_room():
    lanes = Lanes(Bounds(tenant=40, total=40, load=20))
    for n in range(100):
        lanes.overflow.restore_tail(f"lane{n}", "g", 0.0)
    loads = list(iter(lambda: lanes.take(0.0), None))
    assert len(loads) == 2
    lanes.arrivals.loaded(loads[0], [], more=False)
    assert isinstance(lanes.take(0.0), Load)


def test_an_account_that_changes_while_a_probe_is_under_way_is_tried_at_once():
    lanes = Lanes(Bounds(long_seconds=1e9))
    for n in range(3):
        lanes.arrivals.offer(item(str(n), f"lane{n}", n))
    lanes.hold("g", 0.0, 30.0, 300.0)
    assert lanes.take(0.0) is None
    probe = lanes.take(30.0)
    lanes.holds.probe_now("g", 30.1)
    lanes.hold("g", 30.2, 30.0, 300.0)  # the old token's refusal
    lanes.block(probe, 30.2, 30.2)
    assert len(taken(lanes, 30.2)) == 1


def test_what_is_not_understood_any_more_is_passed_over():
    lanes = Lanes()
    lanes.overflow.restore_tail("a", "g", 0.0)
    load = lanes.take(1.0)
    lanes.arrivals.loaded(load, [], more=True, upto=19)
    again = lanes.take(1.0)
    assert again.after == 19
    lanes.arrivals.loaded(again, [], more=False, upto=30)
    assert lanes.take(1.0) is None


def is_new(batch):
    return any(one.partition is not None for one in batch)


class Conversations(RuleBasedStateMachine):
    """Sends that end, fail, wait, are held and parked, in any order: each name keeps its own, and nothing is lost.

    A send's id begins with the name that it was sent to.

    A session may end at any time, with whatever it has not committed, and a new one goes on.
    """

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.topics = {"send": [], "retry": []}
        self.store, self.unremoved, self.copies = defaultdict(dict), [], 0
        self.offered, self.ended = defaultdict(list), defaultdict(list)
        self.unfinished, self.committed = {}, {"send": 0, "retry": 0}
        self.known_as = {}
        self.begin()

    def begin(self):
        """A session, as the sender begins one: what is parked is marked, and retries are read first."""
        bounds = Bounds(lane=2, tenant=2, total=3, load=2, chunk=2, long_seconds=2.0)
        self.lanes, self.offsets = Lanes(bounds, name_of=lambda name: self.known_as.get(name, name)), OffsetTracker()
        self.busy, self.writing, self.loading, self.effects = [], [], [], []
        self.position = dict(self.committed)
        self.lanes.loading.fall_behind()
        rows = [row for rows in self.store.values() for row in rows.values()]
        for tenant in {row.tenant for row in rows if row.backlog}:
            self.lanes.overflow.restore_backlog(
                tenant, max(row.order for row in rows if row.backlog and row.tenant == tenant)
            )
        for lane in {row.lane for row in rows if not row.backlog}:
            first = min((row for row in rows if row.lane == lane and not row.backlog), key=lambda row: row.order)
            self.lanes.overflow.restore_tail(lane, first.tenant, first.due)
        for row in rows:
            if row.named is not None:
                self.lanes.aliases.assign(row.named, row.lane, row.tenant)
        self.known = max((row.order for row in rows), default=-1)
        while self.position["retry"] < len(self.topics["retry"]):
            self.reads_next("retry")
            self.store_all()
        self.catch_up()

    def catch_up(self):
        if self.lanes.loading.is_behind and self.position["send"] > self.known:
            self.lanes.loading.caught_up()

    def reads_next(self, topic):
        one = replace(self.topics[topic][self.position[topic]])
        self.position[topic] += 1
        self.offsets.track(one.partition, one.offset)
        self.unfinished[one.partition, one.offset] = one
        if self.lanes.arrivals.park(one):
            self.writing.append([one])
        elif (dropped := self.lanes.arrivals.offer(one)) is not None:
            self.written(dropped)

    def written(self, one, retry=None):
        if one.partition is None:
            self.lanes.overflow.copy_ended(one.parked)
        self.effects.append((one, retry))

    @rule(count=st.integers(1, 3))
    def commits(self, count):
        effects, self.effects = self.effects[:count], self.effects[count:]
        for one, retry in effects:
            if retry is not None:
                retry.offset = len(self.topics["retry"])
                self.topics["retry"].append(retry)
            if one.partition is None:
                self.unremoved.append((self.lanes.overflow, one))
            else:
                self.offsets.done(one.partition, one.offset)
                del self.unfinished[one.partition, one.offset]
        self.committed.update(self.offsets.committable())

    @rule(data=st.data())
    def fails_and_begins_anew(self, data):
        """What is being called ends as the journal says; of what is being written, some will be there."""
        for one in self.busy:
            if data.draw(st.booleans()):
                self.ended[one.id[0]].append(one.id)
        for batch in [batch for batch in self.writing if data.draw(st.booleans())]:
            self.put(batch)
        self.unfinished.clear()
        self.begin()

    def sweep(self):
        by_lane = defaultdict(list)
        for one in self.lanes.overflow.leaving():
            by_lane[one.lane].append(one)
        self.writing.extend(by_lane.values())

    @rule(lane=st.sampled_from("abcdefgh"), bulk=st.booleans())
    def arrives(self, lane, bulk):
        send = f"{lane}{len(self.topics['send'])}"
        self.offered[lane].append(send)
        offset = len(self.topics["send"])
        self.topics["send"].append(item(send, lane, offset, tenant="g" if lane in "abcde" else "h", bulk=bulk))

    @precondition(lambda self: self.offered["a"])
    @rule(data=st.data())
    def comes_twice(self, data):
        send = data.draw(st.sampled_from(self.offered["a"]))
        self.topics["send"].append(item(send, "a", len(self.topics["send"]), tenant="g"))

    @rule(topic=st.sampled_from(["retry", "send", "send"]))
    def reads(self, topic):
        if self.position[topic] < len(self.topics[topic]):
            self.reads_next(topic)
            if self.lanes.loading.is_behind:
                self.store_all()
        self.catch_up()

    @rule(seconds=st.floats(0, 3))
    def time_passes(self, seconds):
        self.now += seconds

    @rule()
    def waits_for_a_permit(self):
        self.lanes.urgency(self.now)
        self.sweep()

    @rule()
    def starts(self):
        one = self.lanes.take(self.now)
        self.sweep()
        if isinstance(one, Load):
            assert one.lane not in {load.lane for load, _ in self.loading if isinstance(load, Load)}
            first = [self.store[one.lane][order] for order in sorted(self.store[one.lane]) if order > one.after]
            self.loading.append((one, first[:2]))
        elif isinstance(one, LoadBacklog):
            rows = [row for rows in self.store.values() for row in rows.values() if row.backlog]
            found = [row for row in rows if row.tenant == one.tenant and one.after < row.order <= one.upto]
            self.loading.append((one, sorted(found, key=lambda row: row.order)[: one.limit]))
        elif one is not None:
            assert one.lane not in {other.lane for other in self.busy}
            assert one.due <= self.now
            if one.id in self.ended[one.id[0]]:  # it was loaded while its copy was being removed: the journal knows
                self.lanes.finish(one)
                self.written(one)
            else:
                self.busy.append(one)

    @precondition(lambda self: self.writing)
    @rule(data=st.data())
    def is_stored(self, data):
        self.store_batch(data.draw(st.integers(0, len(self.writing) - 1)))

    def store_batch(self, index):
        """One batch; of those with new sends the first, for they are written one after the other."""
        if is_new(self.writing[index]):
            index = next(n for n, batch in enumerate(self.writing) if is_new(batch))
        items = self.writing.pop(index)
        self.put(items)
        for one in items:
            if one.partition is not None:
                self.written(one)
        if items[0].backlog:
            self.lanes.overflow.stored_backlog(items[0].tenant, len(items), items[-1].order)
        else:
            self.lanes.overflow.stored(items[0].lane, len(items))

    def store_all(self):
        while self.writing:
            self.store_batch(0)

    def put(self, items):
        """What the store does: a send that is there keeps its first place."""
        for one in items:
            if one.partition is None:
                for row in self.store[one.lane].values():
                    if one.due and row.parked == one.parked:
                        row.due, row.backlog = one.due, False
                continue
            there = [row for rows in self.store.values() for row in rows.values() if row.id == one.id]
            if any(row.order < one.order for row in there):
                continue
            for row in there:
                del self.store[row.lane][row.order]
            self.copies += 1
            self.store[one.lane][one.order] = replace(one, partition=None, parked=f"copy {self.copies}")

    @precondition(lambda self: self.unremoved)
    @rule()
    def is_removed(self):
        overflow, one = self.unremoved.pop(0)
        copy = self.store[one.lane].get(one.order)
        if copy is not None and copy.parked == one.parked:  # it may have been parked anew
            self.store[one.lane].pop(one.order)
        overflow.copy_removed(one.parked)

    @precondition(lambda self: self.loading)
    @rule(data=st.data())
    def is_loaded(self, data):
        self.bring(*self.loading.pop(data.draw(st.integers(0, len(self.loading) - 1))))

    def bring(self, load, found):
        copies = [replace(one, backlog=False) for one in found]
        if isinstance(load, Load):
            superfluous = self.lanes.arrivals.loaded(
                load, copies, more=len(found) == 2, upto=found[-1].order if found else load.after
            )
        else:
            more = len(found) == load.limit
            upto = found[-1].order if more else load.upto
            superfluous = self.lanes.arrivals.loaded_backlog(load, copies, more=more, upto=upto)
        for one in superfluous:
            self.written(one)

    @precondition(lambda self: self.busy)
    @rule(data=st.data())
    def ends_quietly(self, data):
        one = self.busy.pop(data.draw(st.integers(0, len(self.busy) - 1)))
        self.lanes.finish(one)
        self.ended[one.id[0]].append(one.id)
        self.written(one)

    @rule(tenant=st.sampled_from("gh"))
    def account_changes(self, tenant):
        self.lanes.holds.probe_now(tenant, self.now)

    @precondition(lambda self: self.busy)
    @rule(data=st.data())
    def ends(self, data):
        self.end(self.busy.pop(data.draw(st.integers(0, len(self.busy) - 1))))

    @precondition(lambda self: self.busy)
    @rule(data=st.data())
    def fails(self, data):
        one = self.busy.pop(data.draw(st.integers(0, len(self.busy) - 1)))
        self.lanes.expect(one, one.attempt + 1)
        again = one.attempt + 1
        retry = item(one.id, one.id[0], one.order, again, due=self.now + 2, partition="retry", tenant=one.tenant)
        self.written(one, retry)

    @precondition(lambda self: self.busy)
    @rule(data=st.data(), seconds=st.floats(0, 6), hold=st.booleans())
    def waits(self, data, seconds, hold):
        one = self.busy.pop(data.draw(st.integers(0, len(self.busy) - 1)))
        if hold:
            self.lanes.hold(one.tenant, self.now, 1.0, 4.0)
        self.lanes.block(one, self.now + seconds, self.now)
        self.sweep()

    @invariant()
    def lanes_keep_their_order(self):
        for lane, ended in self.ended.items():
            assert ended == self.offered[lane][: len(ended)]

    @invariant()
    def no_commit_passes_unfinished_work(self):
        for partition, offset in self.unfinished:
            assert self.committed[partition] <= offset

    @invariant()
    def memory_is_bounded(self):
        # A load brings two at a time, a retry comes back whatever there is, and a tenant with nothing has some room.
        assert self.lanes.memory.size <= 2 * 3 + 2 * 8

    def teardown(self):
        """Everything that was read ends, in order, once nothing fails any more."""
        self.drain()
        self.begin()  # a new session finds what the others left over
        self.drain()
        assert {lane: sends for lane, sends in self.offered.items() if sends} == self.ended
        assert self.lanes.memory.size == 0
        assert not self.unfinished
        assert not any(self.store.values())

    def drain(self):
        for _ in range(1_000):
            for topic in ("retry", "send"):
                while self.position[topic] < len(self.topics[topic]):
                    self.reads_next(topic)
            self.store_all()
            self.catch_up()
            while self.loading:
                self.bring(*self.loading.pop())
            self.starts()
            while self.busy:
                self.end(self.busy.pop())
            self.commits(len(self.effects))
            self.now = max(self.now, self.lanes.next_due() or self.now)
        while self.unremoved:
            self.is_removed()

    def end(self, one):
        self.lanes.lift(one.tenant)
        self.lanes.finish(one)
        self.ended[one.id[0]].append(one.id)
        self.written(one)


class Acquaintances(Conversations):
    """The same with few names. That two are one person's becomes known at any time, and is forgotten again."""

    @rule(name=st.sampled_from("abbb"), bulk=st.booleans())
    def arrives(self, name, bulk):
        send = f"{name}{len(self.topics['send'])}"
        self.offered[name].append(send)
        self.topics["send"].append(item(send, name, len(self.topics["send"]), tenant="g", bulk=bulk))

    @rule()
    def turns_out_to_be_one_person(self):
        self.known_as["b"] = "a"

    @precondition(lambda self: self.known_as)
    @rule()
    def is_forgotten(self):
        self.known_as.clear()


TestConversations, TestAcquaintances = Conversations.TestCase, Acquaintances.TestCase
TestConversations.settings = TestAcquaintances.settings = settings(
    max_examples=200, stateful_step_count=80, suppress_health_check=[HealthCheck.too_slow], deadline=None
)
