"""Whose turn it is: shares by weight, paces kept, conversations before campaigns."""

import asyncio
from collections import Counter
from dataclasses import dataclass

import pytest

from sender.dispatch.fair_queue import NEVER, FairQueue, Share, VirtualClock
from sender.limits.rates import NumberRate
from sender.worker.permits import _FRESH_SECONDS, PrioritySemaphore


@dataclass(eq=False)
class Lane:
    name: str
    tenant: str
    ready: bool = False


def queue_of(terms):
    return FairQueue(VirtualClock(lambda tenant: terms.get(tenant, Share())))


def add(queue, tenant, count, *, urgent=True):
    lanes = [Lane(f"{tenant}{n}", tenant) for n in range(count)]
    for lane in lanes:
        queue.add(lane, urgent=urgent)
    return lanes


def served(queue, count, now=0.0):
    found = []
    for _ in range(count):
        lane = queue.next(now)
        if lane is None:
            break
        queue.started(lane.tenant, paced=True)
        found.append(lane.name)
    return found


def tenants(names):
    return Counter(name[0] for name in names)


def test_tenants_share_by_their_weights():
    queue = queue_of({"a": Share(1.0), "b": Share(4.0), "c": Share(16.0)})
    for tenant in "abc":
        add(queue, tenant, 1_000)
    assert tenants(served(queue, 210)) == {"a": 10, "b": 40, "c": 160}


def test_a_tenant_that_was_idle_goes_next_and_has_no_credit():
    queue = queue_of({})
    add(queue, "f", 500)
    served(queue, 200)
    add(queue, "q", 100)
    then = served(queue, 100)
    assert "q0" in then[:2]
    assert tenants(then) == {"f": 50, "q": 50}


def test_sessions_of_a_process_compare_by_their_virtual_times():
    shares = VirtualClock()
    flooding, quiet = FairQueue(shares), FairQueue(shares)
    add(flooding, "f", 100)
    served(flooding, 50)
    assert quiet.urgency() == NEVER
    add(quiet, "q", 1)
    assert quiet.urgency() < flooding.urgency()


def test_a_conversation_message_goes_before_a_campaign():
    queue = queue_of({})
    campaign = add(queue, "c", 3, urgent=False)
    add(queue, "c", 1, urgent=True)
    queue.add(campaign[2], urgent=True)
    assert served(queue, 9) == ["c0", "c2", "c0", "c1"]
    assert queue.next(0.0) is None


def test_a_tenant_at_its_pace_sleeps_while_others_go():
    pace = NumberRate(2)
    queue = queue_of({"p": Share(rate=pace)})
    add(queue, "p", 5)
    add(queue, "q", 2)
    names = served(queue, 9)
    assert tenants(names) == {"p": 2, "q": 2}
    for _ in range(2):
        pace.call_started()
        pace.call_ended(0.01, 0.01, accepted=True)
    assert queue.next(1.0) is None
    due = queue.next_due()
    assert due is not None
    while (lane := queue.next(due)) is None:
        due = queue.next_due()
    assert lane.tenant == "p"
    assert 1.0 < due < 1.2


def test_no_tenant_has_all_calls():
    queue = queue_of({"h": Share(max_running=3)})
    add(queue, "h", 10)
    assert len(served(queue, 9)) == 3
    assert queue.next_due() is None
    queue.ended("h")
    assert len(served(queue, 9)) == 1


def test_a_lane_that_is_not_used_costs_nothing():
    queue = queue_of({})
    add(queue, "a", 2)
    assert queue.next(0.0).name == "a0"
    assert served(queue, 9) == ["a1"]


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


async def test_slots_that_become_free_together_go_by_urgency_and_not_one_to_each():
    slots, order = PrioritySemaphore(4), []
    for _ in range(4):
        await slots.acquire(lambda: 0.0)

    async def wants(name, urgency):
        for _ in range(3):
            await slots.acquire(lambda: urgency)
            order.append(name)

    waiting = [asyncio.create_task(wants(*one)) for one in (("free", 5.0), ("premium", 1.0), ("standard", 3.0))]
    await asyncio.sleep(0)
    for _ in range(4):
        slots.release()
    await asyncio.sleep(0.01)
    assert order == ["premium", "premium", "premium", "standard"]
    for _ in range(5):
        slots.release()
    await asyncio.gather(*waiting)
    assert order[4:] == ["standard", "standard", "free", "free", "free"]


async def test_a_waiter_is_asked_again_after_some_milliseconds_and_not_for_every_slot():
    slots, asked = PrioritySemaphore(3), Counter()
    for _ in range(3):
        await slots.acquire(lambda: 0.0)

    def urgency_of(name, urgency):
        asked[name] += 1
        return urgency

    async def wants(name, urgency, count):
        for _ in range(count):
            await slots.acquire(lambda: urgency_of(name, urgency))

    quick = asyncio.create_task(wants("quick", 1.0, 3))
    slow = asyncio.create_task(wants("slow", 2.0, 1))
    await asyncio.sleep(0)
    for _ in range(3):
        slots.release()
    async with asyncio.timeout(5):
        await quick
        asked_at_once = asked["slow"]
        await asyncio.sleep(2 * _FRESH_SECONDS)
        slots.release()
        await slow
    assert asked_at_once == 1
    assert asked == {"quick": 3, "slow": 2}


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
