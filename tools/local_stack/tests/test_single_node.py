"""The stack as `make demo` and the other tests use it: one real Kafka, one real mongod."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pymongo import AsyncMongoClient

from local_stack import Kafka, LocalStack, LocalStackError
from local_stack.fetch import pins
from local_stack.fetch.cache import cache_folder
from local_stack.fetch.programs import kafka_program
from local_stack.kafka import answers
from local_stack.progress import Progress

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("own_processes")]

OWNER = """
import sys, time
from local_stack import LocalStack
with LocalStack() as stack:
    nodes = [node for cluster in stack.clusters for node in cluster.nodes.values()]
    print(stack.kafka.folder, *[node.pid for node in nodes], flush=True)
    time.sleep(600)
"""


async def _round_trip(bootstrap: str, value: bytes) -> bytes:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("letters", num_partitions=1, replication_factor=1)])
    await admin.close()
    limit = 5 * 1024 * 1024
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_request_size=limit
    ) as producer:
        await producer.send_and_wait("letters", value)
    async with AIOKafkaConsumer(
        "letters", bootstrap_servers=bootstrap, group_id="readers", auto_offset_reset="earliest"
    ) as consumer:
        return (await asyncio.wait_for(consumer.getone(), 30)).value


async def _transaction(uri: str) -> int:
    async with AsyncMongoClient(uri) as client, client.start_session() as session:
        letters = client["test"]["letters"]
        await session.with_transaction(lambda held: letters.insert_one({"_id": 1}, session=held))
        return await letters.count_documents({})


async def test_one_node_each_does_real_work_and_leaves_nothing_behind(is_running):
    with LocalStack() as stack:
        folder = stack.kafka.folder
        pids = [node.pid for cluster in stack.clusters for node in cluster.nodes.values()]
        assert folder.is_dir()
        assert set(stack.timings) == {"download", "boot", "boot kafka", "boot mongo"}
        letter = os.urandom(4 * 1024 * 1024)
        assert await _round_trip(stack.kafka_bootstrap_servers, letter) == letter
        assert await _transaction(stack.mongodb_uri) == 1
        host, port = stack.kafka_bootstrap_servers.split(":")
        assert answers(host, int(port))
    assert not folder.exists()
    assert not any(is_running(pid) for pid in pids)
    assert not answers(host, int(port))


async def test_kept_data_survives_a_stop(tmp_path):
    with LocalStack(data=tmp_path / "kept") as stack:
        addresses = (stack.kafka_bootstrap_servers, stack.mongodb_uri)
        await _transaction(stack.mongodb_uri)
    with LocalStack(data=tmp_path / "kept") as stack:
        assert (stack.kafka_bootstrap_servers, stack.mongodb_uri) == addresses
        async with AsyncMongoClient(stack.mongodb_uri) as client:
            assert await client["test"]["letters"].count_documents({}) == 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_child_and_no_data_outlives_a_killed_owner(how, eventually, is_running):
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        folder, *pids = owner.stdout.readline().split()
        guards = [psutil.Process(int(pid)).ppid() for pid in pids]
        everyone = [*map(int, pids), *guards]
        assert all(is_running(pid) for pid in everyone)
        owner.send_signal(how)
    assert eventually(lambda: not any(is_running(pid) for pid in everyone))
    assert eventually(lambda: not Path(folder).exists())


def test_up_prints_the_addresses_and_ends_in_order_on_sigterm(eventually, is_running):
    command = [sys.executable, "-m", "local_stack", "up"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
        kafka, mongo = (up.stdout.readline().strip() for _ in range(2))
        children = [each.pid for each in psutil.Process(up.pid).children(recursive=True)]
        up.send_signal(signal.SIGTERM)
        up.communicate(timeout=30)
    assert kafka.startswith("export KAFKA_BOOTSTRAP_SERVERS='127.0.0.1:")
    assert mongo.startswith("export MONGODB_URI='mongodb://127.0.0.1:")
    assert len(children) == 4
    assert not any(is_running(pid) for pid in children)


def test_a_kafka_that_cannot_start_says_why(tmp_path):
    program = kafka_program(cache_folder(), pins.load(), Progress())
    kafka = Kafka(program, tmp_path, throw_away=True, heap_mb=1)
    with pytest.raises(LocalStackError, match=r"(?s)kafka-1 ended; the last lines of .*kafka-1\.log.*heap"):
        kafka.start()
    kafka.stop()
