"""Where a group goes on when its coordinator does not tell."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import consumer as aiokafka_consumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupAuthorizationFailedError, IllegalGenerationError, UnknownMemberIdError
from aiokafka.structs import OffsetAndMetadata

from common.kafka.clients import make_group_consumer
from common.kafka.settings import KafkaSettings
from common.kafka.wire.aiokafka_patch import HeedingCoordinator
from common.kafka.wire.membership import Membership

TP = TopicPartition("t", 0)
COMMITTED = SimpleNamespace(topics=[("t", [(0, 302, -1, "a name", 0, {})], {})], error_code=0)
NOTHING = SimpleNamespace(topics=[("t", [(0, -1, -1, "", 0, {})], {})], error_code=0)
UNSTABLE = SimpleNamespace(topics=[("t", [(0, -1, -1, "", 88, {})], {})], error_code=0)
NOT_COORDINATOR, LOADING, FORBIDDEN = (SimpleNamespace(topics=[], error_code=code) for code in (16, 14, 30))


class Coordinator(HeedingCoordinator):
    """Asked without Kafka: it gets these answers. `asked` has, for each question, whether stable offsets were wanted."""

    def __init__(self, *answers, is_member=True):
        self.answers, self.asked = [*answers], []
        self._subscription = SimpleNamespace(partitions_auto_assigned=lambda: is_member)
        self.coordinator_id = 1
        self.found = 0
        self.group_id = "g"
        self._retry_backoff_ms = 1
        self._client = SimpleNamespace(send=self.answer)

    def __del__(self):
        """There is nothing to close."""

    async def answer(self, _node, request, **_more):
        self.asked.append(getattr(request, "_stable", None))
        return self.answers.pop(0)

    def coordinator_dead(self):
        self.coordinator_id = None

    async def ensure_coordinator_known(self):
        if self.coordinator_id is None:
            self.coordinator_id, self.found = 1, self.found + 1


async def offset(coordinator):
    found = await coordinator.fetch_committed_offsets([TP])
    return found[TP].offset if TP in found else None


@pytest.mark.parametrize(
    ("answers", "searches"),
    [([NOT_COORDINATOR, COMMITTED], 1), ([LOADING, COMMITTED], 0), ([UNSTABLE, UNSTABLE, COMMITTED], 0)],
)
async def test_a_refusal_is_asked_about_again_and_not_taken_for_the_beginning(answers, searches):
    coordinator = Coordinator(*answers)
    assert await offset(coordinator) == 302
    assert coordinator.found == searches


async def test_a_group_that_has_never_committed_has_no_offset():
    assert await offset(Coordinator(NOTHING)) is None


async def test_what_does_not_pass_is_raised():
    with pytest.raises(GroupAuthorizationFailedError):
        await offset(Coordinator(FORBIDDEN))


@pytest.mark.parametrize("is_member", [True, False])
async def test_a_member_never_begins_at_an_offset_that_may_still_change(is_member):
    """The driver's own reading after an assignment, and that of a reader who only asks how far the group has come."""
    coordinator = Coordinator(COMMITTED, is_member=is_member)
    assert await offset(coordinator) == 302
    assert coordinator.asked == [is_member]


async def test_the_metadata_is_read_with_the_offset():
    assert (await Coordinator(COMMITTED).offsets([TP], stable=False))[TP] == OffsetAndMetadata(302, "a name")


@pytest.mark.parametrize(
    ("codes", "error"),
    [([0], None), ([27], None), ([16, 0], None), ([22], IllegalGenerationError), ([25], UnknownMemberIdError)],
)
async def test_a_member_is_confirmed_while_the_group_has_no_later_generation(codes, error):
    coordinator = Coordinator(*(SimpleNamespace(error_code=code) for code in codes))
    with pytest.raises(error) if error else nullcontext():
        await coordinator.confirm(Membership("g", 1, "m"))
    assert coordinator.answers == []


async def test_a_membership_is_that_of_the_assignment_also_when_the_driver_is_ahead(monkeypatch):
    async def completed(*_):
        pass

    monkeypatch.setattr(GroupCoordinator, "_on_join_complete", completed)
    coordinator = Coordinator()
    await coordinator._on_join_complete(7, "m", "range", b"")
    coordinator.generation, coordinator.member_id = 8, ""  # a rejoin has begun, or failed
    assert coordinator.joined == Membership("g", 7, "m")


async def test_consumers_of_groups_have_it():
    await make_group_consumer(KafkaSettings(), "g").stop()
    assert aiokafka_consumer.GroupCoordinator is HeedingCoordinator
