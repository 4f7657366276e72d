"""What each check asks of a server that is absent, hangs or answers; and the defaults that matter."""

import asyncio
from types import SimpleNamespace

import httpx
import pytest
from aiokafka.errors import KafkaError
from litestar import Litestar, get
from litestar.params import FromPath
from prometheus_client import REGISTRY
from pymongo.errors import AutoReconnect

from common.http.request_metrics import measured
from common.http.service import serve
from common.http.service.serve import HttpSettings
from common.kafka.consume.partition_group import PartitionGroup
from common.kafka.produce.publisher import Publisher
from common.kafka.settings import KafkaSettings
from common.mongo import Mongo, MongoSettings


async def answers():
    return {}


async def fails():
    raise KafkaError("away")


async def hangs():
    await asyncio.Event().wait()


def publisher(ask):
    made = Publisher(KafkaSettings())
    made._producer = ask and SimpleNamespace(client=SimpleNamespace(fetch_all_metadata=ask))
    return made


def group(ask):
    made = PartitionGroup(group="g", topics=(), make_consumer=None, make_producer=None, worker=None)
    made._consumer = ask and SimpleNamespace(topics=ask)
    return made


@pytest.mark.parametrize("make", [publisher, group])
@pytest.mark.parametrize(("ask", "reachable"), [(None, False), (fails, False), (hangs, False), (answers, True)])
async def test_kafka_is_reachable_when_a_broker_answers_now(make, ask, reachable):
    async with asyncio.timeout(5):
        assert await make(ask).reachable(seconds=0.05) is reachable


@pytest.mark.parametrize(("error", "reachable"), [(AutoReconnect("away"), False), (None, True)])
async def test_mongodb_is_reachable_when_a_primary_answers_now(error, reachable):
    asked = []

    async def command(name):
        asked.append(name)
        if error is not None:
            raise error

    mongo = Mongo(MongoSettings())
    client, mongo.client = mongo.client, SimpleNamespace(admin=SimpleNamespace(command=command))
    assert await mongo.reachable() is reachable
    assert asked == ["ping"]
    await client.close()


@get("/things/{thing:str}", sync_to_thread=False)
def thing(thing: FromPath[str]) -> str:
    return thing


async def test_request_times_are_kept_by_route_and_not_by_what_was_asked_for():
    app = Litestar([thing], middleware=[measured], openapi_config=None, logging_config=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for path in ("/things/fake-one", "/things/fake-two", "/fake-nowhere"):
            await client.get(path)
    labels = [str(sample.labels) for family in REGISTRY.collect() for sample in family.samples]
    assert any("/things/{thing" in label for label in labels)
    assert not any("fake-one" in label or "fake-nowhere" in label for label in labels)


def test_defaults_keep_within_what_others_wait():
    kafka, http = KafkaSettings(), HttpSettings()
    assert kafka.kafka_session_timeout_ms <= 10_000  # a dead member's partitions are free after it
    assert kafka.kafka_transaction_timeout_ms <= 15_000  # and what it left open holds readers up for as long
    assert 5 <= http.shutdown_seconds <= 30  # a call to Meta ends within it; Kubernetes kills after 30 s
    assert serve._KEEP_ALIVE_SECONDS > 60  # as long as the usual proxy keeps a connection
    assert kafka.kafka_security_protocol == "PLAINTEXT"
    assert http.metrics_tenants <= 200
