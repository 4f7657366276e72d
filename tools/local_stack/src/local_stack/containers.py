"""The same stack from the official container images, with testcontainers (TEST_INFRA=docker)."""

import time
from collections.abc import Callable
from typing import Any

from local_stack.errors import LocalStackError
from local_stack.kafka import answers
from local_stack.kafka_config import shared_settings
from local_stack.mongo import REPLICA_SET, connection_string, replica_set_config, run_command, state_of
from local_stack.ports import free_ports
from local_stack.progress import Progress

KAFKA_IMAGE = "apache/kafka:4.3.1"
MONGO_IMAGE = "mongo:8"
_BOOT_TIMEOUT_S = 90.0
_CONTROLLER_PORT = 19093


def kafka_environment(host: str, port: int) -> dict[str, str]:
    """The settings of one node that clients reach at host:port, as the image takes them (`a.b` is KAFKA_A_B)."""
    settings = {
        "node.id": 1,
        "process.roles": "broker,controller",
        "controller.quorum.voters": f"1@localhost:{_CONTROLLER_PORT}",
        "listeners": f"PLAINTEXT://:{port},CONTROLLER://:{_CONTROLLER_PORT}",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        **shared_settings(nodes=1),
    }
    return {f"KAFKA_{name.upper().replace('.', '_')}": str(value) for name, value in settings.items()}


class DockerStack:
    """One Kafka and one MongoDB in containers, each on the same port inside and outside, as it advertises it.

    Takes counts of nodes, 0 for "not wanted". Raises LocalStackError for more than one node, and without Docker.
    """

    def __init__(self, progress: Progress, *, kafka: int, mongo: int) -> None:
        if max(kafka, mongo) > 1:
            raise LocalStackError("TEST_INFRA=docker starts one node each: unset it to have several nodes")
        self._progress = progress
        self._wanted = (bool(kafka), bool(mongo))
        self._containers: list[Any] = []
        self.kafka_bootstrap_servers = ""
        self.mongodb_uri = ""

    def start(self) -> None:
        """Start what is wanted and return when it is ready; on an error nothing is left running."""
        host = _docker_host()
        try:
            if self._wanted[0]:
                self._start_kafka(host)
            if self._wanted[1]:
                self._start_mongo(host)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Remove the containers."""
        while self._containers:
            self._containers.pop().stop()

    def _start_kafka(self, host: str) -> None:
        (port,) = free_ports(1)
        self._run(KAFKA_IMAGE, port, kafka_environment(host, port), None)
        _await(KAFKA_IMAGE, lambda: answers(host, port))
        self.kafka_bootstrap_servers = f"{host}:{port}"

    def _start_mongo(self, host: str) -> None:
        (port,) = free_ports(1)
        self._run(MONGO_IMAGE, port, {}, f"mongod --replSet {REPLICA_SET} --bind_ip_all --port {port}")
        _await(MONGO_IMAGE, lambda: state_of(host, port) == "")
        run_command(host, port, {"replSetInitiate": replica_set_config([f"{host}:{port}"])})
        _await(MONGO_IMAGE, lambda: state_of(host, port) == "PRIMARY")
        self.mongodb_uri = connection_string([f"{host}:{port}"])

    def _run(self, image: str, port: int, environment: dict[str, str], command: str | None) -> None:
        from testcontainers.core.container import DockerContainer  # needed with TEST_INFRA=docker only

        self._progress.say(f"starting a container of {image}")
        container = DockerContainer(image).with_bind_ports(port, port).with_envs(**environment)
        if command:
            container = container.with_command(command)
        self._containers.append(container)
        container.start()


def _docker_host() -> str:
    """The name under which the engine's ports are reached; raises LocalStackError when there is no engine."""
    try:
        from testcontainers.core.docker_client import DockerClient  # needed with TEST_INFRA=docker only

        client = DockerClient()
        client.client.ping()
    except ImportError as error:
        raise LocalStackError("TEST_INFRA=docker needs the package testcontainers: install it, or unset it") from error
    except Exception as error:
        raise LocalStackError(
            f"TEST_INFRA=docker, but no Docker engine answers ({error}). Start Docker, or unset TEST_INFRA: then Kafka "
            "and MongoDB run as plain processes."
        ) from error
    return str(client.host())


def _await(image: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _BOOT_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise LocalStackError(f"the container of {image} is not ready after {_BOOT_TIMEOUT_S} s: see `docker logs`")
        time.sleep(0.2)
