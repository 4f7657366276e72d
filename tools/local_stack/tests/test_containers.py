import pytest

from local_stack.containers import DockerStack, kafka_environment
from local_stack.errors import LocalStackError
from local_stack.progress import Progress


def test_kafka_advertises_the_address_that_clients_use():
    environment = kafka_environment("localhost", 12345)
    assert environment["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://localhost:12345"
    assert environment["KAFKA_LISTENERS"].startswith("PLAINTEXT://:12345,CONTROLLER://")
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert environment["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"] == "1"
    assert environment["KAFKA_MESSAGE_MAX_BYTES"] == str(5 * 1024 * 1024)


def test_several_nodes_are_refused():
    with pytest.raises(LocalStackError, match="one node each"):
        DockerStack(Progress(), kafka=3, mongo=1)


def test_without_an_engine_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(LocalStackError, match=r"no Docker engine answers.*Start Docker, or unset TEST_INFRA"):
        DockerStack(Progress(), kafka=1, mongo=0).start()
