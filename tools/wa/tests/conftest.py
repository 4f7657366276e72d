"""What several tests of wa share."""

import asyncio
import os

import pytest

from common.mongo import Mongo, MongoSettings
from local_stack import LocalStack
from wa.__main__ import main


@pytest.fixture
def own_kafka():
    """A Kafka without any topic, of one test: host:port."""
    if os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        pytest.skip("needs a Kafka of its own, and one is given")
    with LocalStack(mongo_nodes=0) as stack:
        yield stack.kafka_bootstrap_servers


@pytest.fixture
def wa(capsys):
    """Runs `wa …` as the program does; (exit code, output, complaints)."""

    async def run(*arguments):
        code = await asyncio.to_thread(main, [*map(str, arguments)])
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
async def mongo(system, monkeypatch):
    """The database of a test's `system`, which `wa` has for its own, too."""
    name = system.choices.extra["sender"]["MONGODB_DATABASE"]
    monkeypatch.setenv("MONGODB_URI", system.stack.mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", name)
    mongo = Mongo(MongoSettings(mongodb_uri=system.stack.mongodb_uri, mongodb_database=name))
    yield mongo
    await mongo.close()
