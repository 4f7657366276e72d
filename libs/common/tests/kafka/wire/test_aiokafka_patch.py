"""Where a group goes on when its coordinator does not tell."""

from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import consumer as aiokafka_consumer
from aiokafka.errors import GroupAuthorizationFailedError

from common.kafka.clients import make_group_consumer
from common.kafka.settings import KafkaSettings
from common.kafka.wire.aiokafka_patch import HeedingCoordinator

TP = TopicPartition("t", 0)
COMMITTED = SimpleNamespace(topics=[("t", [(0, 302, "", 0)])], error_code=0)
NOTHING = SimpleNamespace(topics=[("t", [(0, -1, "", 0)])], error_code=0)
NOT_COORDINATOR, LOADING, FORBIDDEN = (SimpleNamespace(topics=[], error_code=code) for code in (16, 14, 30))


class Coordinator(HeedingCoordinator):
    """Asked without Kafka: it gets these answers."""

    def __init__(self, *answers):
        self.answers = [*answers]
        self.coordinator_id = 1
        self.found = 0
        self.group_id = "g"
        self._retry_backoff_ms = 1
        self._client = SimpleNamespace(send=self.answer)

    def __del__(self):
        """There is nothing to close."""

    async def answer(self, *_args, **_more):
        return self.answers.pop(0)

    def coordinator_dead(self):
        self.coordinator_id = None

    async def ensure_coordinator_known(self):
        if self.coordinator_id is None:
            self.coordinator_id, self.found = 1, self.found + 1


async def offset(coordinator):
    found = await coordinator.fetch_committed_offsets([TP])
    return found[TP].offset if TP in found else None


@pytest.mark.parametrize(("answers", "searches"), [([NOT_COORDINATOR, COMMITTED], 1), ([LOADING, COMMITTED], 0)])
async def test_a_refusal_is_asked_about_again_and_not_taken_for_the_beginning(answers, searches):
    coordinator = Coordinator(*answers)
    assert await offset(coordinator) == 302
    assert coordinator.found == searches


async def test_a_group_that_has_never_committed_has_no_offset():
    assert await offset(Coordinator(NOTHING)) is None


async def test_what_does_not_pass_is_raised():
    with pytest.raises(GroupAuthorizationFailedError):
        await offset(Coordinator(FORBIDDEN))


async def test_consumers_of_groups_have_it():
    await make_group_consumer(KafkaSettings(), "g").stop()
    assert aiokafka_consumer.GroupCoordinator is HeedingCoordinator
