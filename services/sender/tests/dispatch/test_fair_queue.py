"""Whose turn it is: shares by weight, paces kept, conversations before campaigns."""

import asyncio
from collections import Counter
from dataclasses import dataclass

import pytest

from sender.dispatch.fair_queue import NEVER, FairQueue, Share, VirtualClock
from sender.limits.rates import NumberRate
from sender.worker.permits import PrioritySemaphore


@dataclass(eq=False)
class Lane:
    name: str
    group: str
    ready: bool = False


def turns_of(terms):
    return FairQueue(VirtualClock(lambda group: terms.get(group, Share())))


def add(turns, group, count, *, first=True):
    lanes = [Lane(f"{group}{n}", group) for n in range(count)]
    for lane in lanes:
        turns.add(lane, first=first)
    return lanes


def served(turns, count, now=0.0):
    found = []
    for _ in range(count):
        lane = turns.next(now)
        if lane is None:
            break
        turns.went(lane.group, paced=True)
        found.append(lane.name)
    return found


def groups(names):
    return Counter(name[0] for name in names)


def test_groups_share_by_their_weights():
    turns = turns_of({"a": Share(1.0), "b": Share(4.0), "c": Share(16.0)})
    for group in "abc":
        add(turns, group, 1_000)
    assert groups(served(turns, 210)) == {"a": 10, "b": 40, "c": 160}


def test_a_group_that_was_idle_goes_next_and_has_no_credit():
    turns = turns_of({})
    add(turns, "f", 500)
    served(turns, 200)
    add(turns, "q", 100)
    then = served(turns, 100)
    assert "q0" in then[:2]
    assert groups(then) == {"f": 50, "q": 50}


def test_sessions_of_a_process_compare_by_their_virtual_times():
    shares = VirtualClock()
    flooding, quiet = FairQueue(shares), FairQueue(shares)
    add(flooding, "f", 100)
    served(flooding, 50)
    assert quiet.urgency() == NEVER
    add(quiet, "q", 1)
    assert quiet.urgency() < flooding.urgency()


def test_what_somebody_waits_for_goes_before_a_campaign():
    turns = turns_of({})
    campaign = add(turns, "c", 3, first=False)
    add(turns, "c", 1, first=True)
    turns.add(campaign[2], first=True)
    assert served(turns, 9) == ["c0", "c2", "c0", "c1"]
    assert turns.next(0.0) is None


def test_a_group_at_its_pace_sleeps_while_others_go():
    pace = NumberRate(2)
    turns = turns_of({"p": Share(pace=pace)})
    add(turns, "p", 5)
    add(turns, "q", 2)
    names = served(turns, 9)
    assert groups(names) == {"p": 2, "q": 2}
    for _ in range(2):
        pace.went()
        pace.answered(0.01, 0.01)
    assert turns.next(1.0) is None
    due = turns.next_due()
    assert due is not None
    while (lane := turns.next(due)) is None:
        due = turns.next_due()
    assert lane.group == "p"
    assert 1.0 < due < 1.2


def test_no_group_has_all_calls():
    turns = turns_of({"h": Share(most=3)})
    add(turns, "h", 10)
    assert len(served(turns, 9)) == 3
    assert turns.next_due() is None
    turns.ended("h")
    assert len(served(turns, 9)) == 1


def test_a_lane_that_is_not_used_costs_nothing():
    turns = turns_of({})
    add(turns, "a", 2)
    assert turns.next(0.0).name == "a0"
    assert served(turns, 9) == ["a1"]


async def test_a_slot_goes_to_the_most_urgent_at_the_time_it_is_free():
    slots, order = PrioritySemaphore(1), []
    urgency = {"first": 1.0, "second": 5.0}
    await slots.acquire(lambda: 0.0)

    async def wait(name):
        await slots.acquire(lambda: urgency[name])
        order.append(name)
        slots.release()

    waiting = [asyncio.create_task(wait(name)) for name in urgency]
    await asyncio.sleep(0)
    urgency["second"] = 0.5
    slots.release()
    await asyncio.gather(*waiting)
    assert order == ["second", "first"]


async def test_who_gives_up_waiting_takes_no_slot():
    slots = PrioritySemaphore(1)
    await slots.acquire(lambda: 0.0)
    given_up = [asyncio.create_task(slots.acquire(lambda: 0.0)) for _ in range(2)]
    await asyncio.sleep(0)
    given_up[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up[0]
    slots.release()  # granted to the other, which is cancelled before it runs
    given_up[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up[1]
    async with asyncio.timeout(1):
        await slots.acquire(lambda: 0.0)
