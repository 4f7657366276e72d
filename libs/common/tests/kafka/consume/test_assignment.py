"""Opening the producer of an assignment: whom it ends, what it never ends, and from where sessions begin."""

import asyncio
import re
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalGenerationError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from common.kafka.consume.assignment import Assignment, AssignmentParts
from common.kafka.consume.committer import StaleSession
from common.kafka.wire.membership import Membership, named_in, transactional_id

GROUP = "conversation"
ONE, TWO = TopicPartition("in", 1), TopicPartition("in", 2)
BEFORE = transactional_id(GROUP, "0" * 31 + "1")
SUCCESSOR = transactional_id(GROUP, "0" * 31 + "2")


class Kafka:
    """A group's offsets, its member, and the member's producers."""

    def __init__(self, marks):
        self.marks = {tp: OffsetAndMetadata(*mark) for tp, mark in marks.items()}
        self.steps, self.ended, self.names = [], [], []
        self.refused = self.broken = None
        self.pending = asyncio.Event()
        self.pending.set()

    def membership(self):
        return Membership(GROUP, 3, "member")

    async def confirm(self, membership):
        assert membership == self.membership()
        self.steps.append("confirm")
        if self.refused:
            raise self.refused

    async def offsets(self, partitions, *, stable):
        self.steps.append(f"{'stable' if stable else 'names'} {sorted(tp.partition for tp in partitions)}")
        if stable:
            await self.pending.wait()
        return {tp: mark for tp, mark in self.marks.items() if tp in partitions}

    async def beginning_offsets(self, partitions):
        return dict.fromkeys(partitions, 3)

    def producer(self, name, membership):
        assert membership == self.membership()
        self.names.append(name)
        return Producer(self)


class Producer:
    def __init__(self, kafka):
        self.kafka = kafka

    async def start(self):
        self.kafka.steps.append("start")

    async def stop(self):
        self.kafka.steps.append("stop")

    async def end(self, names):
        self.kafka.steps.append("end")
        self.kafka.ended.append(sorted(names))

    @asynccontextmanager
    async def transaction(self):
        self.kafka.steps.append("transaction")
        yield

    async def send_offsets_to_transaction(self, offsets, group):
        assert group == GROUP
        if self.kafka.broken:
            raise self.kafka.broken
        self.kafka.marks.update(offsets)


@asynccontextmanager
async def rig(marks, former=lambda _: ()):
    kafka, failures = Kafka(marks), []
    parts = AssignmentParts(GROUP, kafka.producer, former, 0.0)
    assignment = Assignment(kafka, {ONE, TWO}, parts, lambda: failures.append(1))
    assignment.failures = failures
    try:
        yield kafka, assignment
    finally:
        await assignment.close()


async def test_predecessors_are_ended_before_offsets_are_read_and_our_name_is_there_before_work_begins():
    async with rig({ONE: (5, BEFORE), TWO: (8, "")}) as (kafka, assignment):
        committer, starts = await assignment.begin({ONE})
        assert starts == {ONE: 5}
        assert committer.usable
        assert kafka.steps == ["names [1, 2]", "confirm", "start", "end", "stable [1, 2]", "transaction"]
        assert kafka.ended == [[BEFORE]]
        assert {mark.metadata for mark in kafka.marks.values()} == {kafka.names[0]}
        assert {tp: mark.offset for tp, mark in kafka.marks.items()} == {ONE: 5, TWO: 8}


async def test_slots_that_begin_together_share_one_opening_and_one_reading():
    async with rig({ONE: (5, ""), TWO: (8, "")}) as (kafka, assignment):
        (first, one), (second, two) = await asyncio.gather(assignment.begin({ONE}), assignment.begin({TWO}))
        assert first is second
        assert (one, two) == ({ONE: 5}, {TWO: 8})
        assert kafka.steps.count("stable [1, 2]") == kafka.steps.count("start") == 1


async def test_a_partition_without_an_offset_begins_at_its_beginning_and_has_our_name_from_then_on():
    async with rig({TWO: (8, "")}) as (kafka, assignment):
        assert (await assignment.begin({ONE, TWO}))[1] == {ONE: 3, TWO: 8}
        assert kafka.marks[ONE] == OffsetAndMetadata(3, kafka.names[0])


async def test_a_second_session_reads_its_offsets_anew():
    async with rig({ONE: (5, ""), TWO: (8, "")}) as (kafka, assignment):
        committer, _ = await assignment.begin({ONE})
        await committer.commit([], {ONE: 6})
        again, starts = await assignment.begin({ONE})
        assert again is committer
        assert starts == {ONE: 6}
        assert kafka.steps[-1] == "stable [1]"


async def test_a_second_session_waits_for_a_commit_whose_caller_was_cancelled():
    async with rig({ONE: (5, ""), TWO: (8, "")}) as (kafka, assignment):
        committer, _ = await assignment.begin({ONE})
        kafka.pending.clear()
        committer._idle.clear()  # a transaction is under way
        beginning = asyncio.create_task(assignment.begin({ONE}))
        for _ in range(20):
            await asyncio.sleep(0)
        assert kafka.steps[-1] == "transaction"  # it has not asked yet
        committer._idle.set()
        kafka.pending.set()
        await beginning
        assert kafka.steps[-1] == "stable [1]"


async def test_after_a_failure_the_same_name_is_opened_again_and_ends_no_producer_twice():
    async with rig({ONE: (5, BEFORE), TWO: (8, "")}, lambda _: ["conversation-in-1"]) as (kafka, assignment):
        committer, _ = await assignment.begin({ONE})
        kafka.broken = KafkaError("refused")
        with pytest.raises(KafkaError):
            await committer.commit([], {ONE: 6})
        kafka.broken = None
        assert assignment.failures == [1]
        again, starts = await assignment.begin({ONE})
        assert again is not committer
        assert starts == {ONE: 5}
        assert kafka.names[0] == kafka.names[1]
        assert kafka.ended == [[BEFORE, "conversation-in-1"], []]


async def test_an_opening_that_fails_is_tried_again_by_the_next_who_asks():
    async with rig({ONE: (5, ""), TWO: (8, "")}) as (kafka, assignment):
        kafka.broken = KafkaError("away")
        failed = await asyncio.gather(assignment.begin({ONE}), assignment.begin({TWO}), return_exceptions=True)
        assert failed == [kafka.broken] * 2
        kafka.broken = None
        assert (await assignment.begin({ONE}))[1] == {ONE: 5}


async def test_a_process_that_is_no_member_any_more_ends_no_producer():
    """The names may be those of successors: a stopped process must not end them when it goes on."""
    async with rig({ONE: (5, SUCCESSOR), TWO: (8, SUCCESSOR)}) as (kafka, assignment):
        kafka.refused = IllegalGenerationError()
        with pytest.raises(IllegalGenerationError):
            await assignment.begin({ONE})
        assert kafka.steps == ["names [1, 2]", "confirm"]


async def test_the_names_of_the_release_before_are_ended_too():
    def former(partitions):
        return {f"{GROUP}-{tp.topic}-{tp.partition}" for tp in partitions}

    async with rig({ONE: (5, ""), TWO: (8, "")}, former) as (kafka, assignment):
        await assignment.begin({ONE})
        assert kafka.ended == [["conversation-in-1", "conversation-in-2"]]


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        None,
        "an operator's note",
        GROUP,
        f"{GROUP}-",
        f"{GROUP}-2-{'0' * 32}",  # of the group conversation-2
        f"conversatio-{'0' * 32}",
        f"sender-{'0' * 32}",
        f"{GROUP}-{'0' * 31}",
        f"{GROUP}-{'0' * 33}",
        f"{GROUP}-{'g' * 32}",
        f"{GROUP}-{'A' * 32}",
        f" {GROUP}-{'0' * 32}",
        f"{GROUP}-{'0' * 32}\n",
        f"x\n{GROUP}-{'0' * 32}",
    ],
)
async def test_metadata_that_is_no_name_of_ours_ends_no_producer(metadata):
    assert named_in(GROUP, metadata) is None
    async with rig({ONE: (5, metadata), TWO: (8, BEFORE)}) as (kafka, assignment):
        assert (await assignment.begin({ONE, TWO}))[1] == {ONE: 5, TWO: 8}
        assert kafka.ended == [[BEFORE]]


def test_a_groups_name_is_no_pattern():
    assert named_in("a.b", transactional_id("axb", "0" * 32)) is None
    assert named_in("a.b", transactional_id("a.b", "0" * 32)) == f"a.b-{'0' * 32}"


async def test_each_assignment_has_a_name_of_its_own_that_is_recognised():
    names = []
    for _ in range(2):
        async with rig({ONE: (5, ""), TWO: (8, "")}) as (kafka, assignment):
            await assignment.begin({ONE})
            names += kafka.names
    assert len({*names}) == 2
    assert [named_in(GROUP, name) for name in names] == names
    assert all(re.fullmatch("conversation-[0-9a-f]{32}", name) for name in names)


async def test_closing_ends_an_opening_that_waits():
    async with rig({ONE: (5, ""), TWO: (8, "")}) as (kafka, assignment):
        kafka.pending.clear()
        beginning = asyncio.create_task(assignment.begin({ONE}))
        for _ in range(20):
            await asyncio.sleep(0)
        await assignment.close()
        with pytest.raises(asyncio.CancelledError):
            await beginning
        assert kafka.steps[-1] == "stop"


async def test_a_session_does_not_begin_with_a_producer_that_has_failed_meanwhile():
    async with rig({ONE: (5, ""), TWO: (8, "")}) as (_, assignment):
        committer, _ = await assignment.begin({ONE})
        committer._idle.clear()
        beginning = asyncio.create_task(assignment.begin({TWO}))
        for _ in range(20):
            await asyncio.sleep(0)
        committer._failed = True
        committer._idle.set()
        with pytest.raises(StaleSession):
            await beginning
