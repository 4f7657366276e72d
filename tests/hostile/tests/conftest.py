"""A system with two tenants who have keys of their own; only Meta is the emulator."""

import uuid

import pytest
from aiohttp import ClientSession, TCPConnector

from hostile.scene import SHORT_DLQ_LIMIT, choices
from hostile.tenants import ATTACKER, VICTIM, Stage
from testbed.system import System


@pytest.fixture(scope="session")
def hostile_system(request):
    """With a Kafka of its own: what is written to the topics here is not fit for any other test."""
    with System(choices=choices(f"hostile_{uuid.uuid4().hex[:12]}", dlq_limit=SHORT_DLQ_LIMIT)) as system:
        yield system
        system.keep_logs = request.session.testsfailed > 0


@pytest.fixture(scope="session")
async def stage(hostile_system):
    async with ClientSession(connector=TCPConnector(limit=500)) as session:
        yield Stage(hostile_system, session)


@pytest.fixture(scope="session")
async def attacker(stage):
    return await stage.onboard(ATTACKER, "106540352270001")


@pytest.fixture(scope="session")
async def victim(stage):
    return await stage.onboard(VICTIM, "106540352280001")
