"""More partitions for each topic in turn, as docs/operations.md says: real processes, with traffic around it."""

import re
import uuid

import pytest
from aiohttp import ClientSession
from waiting_system import FASTER, OPTIONS, World, start, stop

from common.contracts import topics
from common.kafka.admin import describe_topics
from common.kafka.settings import KafkaSettings
from common.kafka.wire.partitioner import partition_of
from testbed.client import Client
from testbed.plan import Choices
from testbed.system import System
from wa.partitions.choice import CHOICES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

IN_TURN = [
    (["ai_responder", "sender"], ["send", "send-results"], []),
    (["ingress"], ["webhooks"], []),
    (["conversation"], ["incoming-messages", "message-status"], ["ai_responder"]),
    ([], ["webhooks-dlq", "send-dlq"], []),
]
"""What is stopped, what is raised then, and who is restarted to see the new partitions at once."""

BEFORE, AFTER = 4, 7


@pytest.fixture
def system():
    database = {"MONGODB_DATABASE": f"raising_{uuid.uuid4().hex[:10]}"}
    extra = dict.fromkeys(("conversation", "accounts"), database) | {"sender": database | FASTER}
    replicas = {"conversation": 2, "sender": 2}
    with System(choices=Choices(extra=extra, replicas=replicas, emulator_options=OPTIONS)) as system:
        yield system


@pytest.mark.feature("more partitions")
async def test_partitions_of_every_topic_are_raised_under_traffic_and_nothing_is_lost_doubled_or_out_of_order(
    system, mongo, capsys
):
    assert {name for _, names, _ in IN_TURN for name in names} == set(CHOICES)
    async with ClientSession() as session:
        world = World(system, Client(session, system.urls, system.secret), mongo, phones=6)
        assert partition_of(world.held, BEFORE) != partition_of(world.held, AFTER)
        await world.begin()
        await world.hold()
        await world.park()
        await world.schedule(45)
        async with world.traffic():
            for services, names, readers in IN_TURN:
                given = ["topics", "raise", names[0], "--partitions", str(AFTER)]
                if services:  # while they run, it is refused
                    assert await world.wa(*given, "--wait", "1") == 3
                    assert CHOICES[names[0]].stop in capsys.readouterr().err
                await stop(system, *services)
                for name in names:
                    given = ["topics", "raise", name, "--partitions", str(AFTER)]
                    assert await world.wa(*given) == 0, capsys.readouterr().err
                    if name == "send":
                        # Those of the held number, and what the AI had answered and was not sent yet.
                        back = re.search(r"(\d+) parked sends went back on the topic", capsys.readouterr().out)
                        assert int(back[1]) >= len(world.asked)
                    if name == "incoming-messages":
                        assert "restart the consumers of ai-responder first" in capsys.readouterr().out
                await stop(system, *readers)
                await start(system, *readers, *services)
        there = await describe_topics(KafkaSettings(kafka_bootstrap_servers=system.stack.kafka_bootstrap_servers))
        assert {topic.name: there[topic.name].partitions for topic in topics.ALL} == {
            topic.name: AFTER if topic.partitions > 1 else 1 for topic in topics.ALL
        }
        await world.client.control("DELETE", "faults")
        await world.assert_all_arrived()
