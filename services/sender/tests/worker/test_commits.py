"""Transactions of one session: one after the other, none lost, none out of order, and an end that comes soon."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaError, ProducerFenced

from common.kafka.records import Outgoing
from sender.worker import commits as commits_module
from sender.worker.commits import _MAX_ENTRIES, CommitEntry, Commits


class Session:
    """Records its transactions; while `gate` is not set, they wait."""

    def __init__(self):
        self.transactions = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error = None
        self.committed = {"send": 7}

    async def commit(self, outgoing, offsets):
        self.transactions.append(([record.value for record in outgoing], offsets))
        await self.gate.wait()
        if self.error is not None:
            raise self.error

    @property
    def values(self):
        return [value for values, _ in self.transactions for value in values]


def rig():
    told = SimpleNamespace(unparked=[], released=[])
    session = Session()
    return session, Commits(session, told.unparked.extend, told.released.extend), told


def effect(number, **more):
    return CommitEntry((Outgoing("t", "k", number),), **more)


async def reached(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def ended(running):
    async with asyncio.timeout(20):
        await running


async def test_what_comes_together_is_one_transaction():
    session, commits, _ = rig()
    running = asyncio.create_task(commits.run())
    for number in range(100):
        commits.write(effect(number))
    await reached(lambda: session.transactions)
    assert session.transactions == [(list(range(100)), {})]
    commits.close()
    await ended(running)


async def test_a_transaction_has_its_limit():
    session, commits, _ = rig()
    count = 4 * _MAX_ENTRIES
    for number in range(count):
        commits.write(effect(number))
    running = asyncio.create_task(commits.run())
    await reached(lambda: len(session.transactions) == 4)
    commits.close()
    await ended(running)
    assert session.values == list(range(count))
    assert {len(values) for values, _ in session.transactions[:4]} == {_MAX_ENTRIES}


async def test_what_is_given_during_a_transaction_goes_with_the_next():
    session, commits, _ = rig()
    session.gate.clear()
    running = asyncio.create_task(commits.run())
    commits.write(effect(0))
    await reached(lambda: session.transactions)
    for number in (1, 2, 3):
        commits.write(effect(number))
    session.gate.set()
    await reached(lambda: len(session.transactions) == 2)
    assert [values for values, _ in session.transactions] == [[0], [1, 2, 3]]
    commits.close()
    await ended(running)


@pytest.mark.parametrize("count", [0, 1, 3, _MAX_ENTRIES + 1])
async def test_the_end_comes_after_all_that_was_given(count):
    session, commits, _ = rig()
    running = asyncio.create_task(commits.run())
    await asyncio.sleep(0)  # it waits for something to write
    for number in range(count):
        commits.write(effect(number))
    commits.close()
    await ended(running)
    assert session.values == list(range(count))


async def test_the_end_during_a_transaction_waits_for_it_and_for_what_came_meanwhile():
    session, commits, _ = rig()
    session.gate.clear()
    running = asyncio.create_task(commits.run())
    commits.write(effect(0))
    await reached(lambda: session.transactions)
    commits.write(effect(1))
    commits.close()
    await asyncio.sleep(0)
    assert not running.done()
    session.gate.set()
    await ended(running)
    assert session.values == [0, 1]


async def test_after_a_failure_nothing_is_written_that_came_before_or_comes_later():
    session, commits, told = rig()
    commits.track("p", 0)
    running = asyncio.create_task(commits.run())
    await asyncio.sleep(0)
    commits.write(effect(0, partition="p", offset=0, parked=("id", "token")))
    commits.abandon()
    commits.write(effect(1))
    commits.close()
    await ended(running)
    assert session.values == []
    assert all(not offsets for _, offsets in session.transactions)
    assert told.unparked == []


async def test_offsets_go_with_the_records_that_finish_them_and_only_in_their_order():
    session, commits, _ = rig()
    running = asyncio.create_task(commits.run())
    for offset in (5, 6, 9):
        commits.track("p", offset)
    for number, offset in enumerate((6, 5, 9)):
        commits.write(effect(number, partition="p", offset=offset))
        await reached(lambda number=number: len(session.transactions) == number + 1)
    assert session.transactions == [([0], {}), ([1], {"p": 9}), ([2], {"p": 10})]
    commits.close()
    await ended(running)


async def test_who_was_parked_or_scheduled_is_told_of_after_the_transaction():
    session, commits, told = rig()
    session.gate.clear()
    running = asyncio.create_task(commits.run())
    commits.write(effect(0, parked=("a", "1")))
    commits.write(effect(1, released=("b", "2")))
    commits.write(effect(2))
    await reached(lambda: session.transactions)
    assert (told.unparked, told.released) == ([], [])
    session.gate.set()
    commits.close()
    await ended(running)
    assert (told.unparked, told.released) == ([("a", "1")], [("b", "2")])


async def test_a_transaction_that_fails_ends_it_and_reports_no_outcome():
    session, commits, told = rig()
    session.error = KafkaError("away")
    running = asyncio.create_task(commits.run())
    commits.write(effect(0, parked=("a", "1")))
    with pytest.raises(KafkaError):
        await ended(running)
    assert told.unparked == []


async def test_a_session_proves_that_its_partition_is_its_own_by_a_transaction():
    session, commits, _ = rig()
    running = asyncio.create_task(commits.run())
    commits.prove_ownership()
    await reached(lambda: session.transactions)
    commits.track("send", 7)
    commits.prove_ownership()
    commits.write(effect(b"1", partition="send", offset=7))
    await reached(lambda: len(session.transactions) == 2)
    commits.close()
    await running
    assert session.transactions[:2] == [([], {"send": 7}), ([b"1"], {"send": 8})]


async def test_a_session_that_cannot_prove_it_ends():
    session, commits, _ = rig()
    session.error = ProducerFenced()
    commits.prove_ownership()
    with pytest.raises(ProducerFenced):
        await commits.run()


async def test_reading_waits_while_many_entries_wait(monkeypatch):
    monkeypatch.setattr(commits_module, "_MANY", 1_000)
    session, commits, _ = rig()
    session.gate.clear()
    for number in range(1_000):
        commits.write(effect(number))
    waiting = asyncio.create_task(commits.until_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    running = asyncio.create_task(commits.run())
    await ended(waiting)
    assert len(session.transactions) == 1
    session.gate.set()
    commits.close()
    await ended(running)
    assert session.values == list(range(1_000))


async def test_reading_does_not_wait_for_a_session_that_has_failed(monkeypatch):
    monkeypatch.setattr(commits_module, "_MANY", 1_000)
    _, commits, _ = rig()
    for number in range(1_000):
        commits.write(effect(number))
    waiting = asyncio.create_task(commits.until_room())
    await asyncio.sleep(0)
    commits.abandon()
    await ended(waiting)
