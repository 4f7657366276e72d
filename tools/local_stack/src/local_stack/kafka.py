"""Apache Kafka in KRaft mode: one node, or a cluster of them, as subprocesses."""

import base64
import os
import socket
import struct
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from local_stack.cluster import Cluster
from local_stack.errors import LocalStackError
from local_stack.fetch.programs import KafkaProgram
from local_stack.kafka_config import HOST, KafkaPorts, properties

_API_VERSIONS = 18
_STARTED = "Kafka Server started"
"""Logged by kafka.server.KafkaRaftServer once the broker is registered, has caught up and is unfenced."""


class Kafka(Cluster):
    """A Kafka cluster whose node numbers are its broker ids.

    `heap_mb` is each JVM's heap in MiB. `fast_boot` keeps the JVM to its first compiler, which boots twice as fast
    and runs slower: turn it off where speed is measured.
    """

    kind = "kafka"
    ports_per_node = 2
    usual_port = 9092

    def __init__(
        self,
        program: KafkaProgram,
        folder: Path,
        nodes: int = 1,
        *,
        throw_away: bool,
        heap_mb: int = 512,
        fast_boot: bool = True,
        boot_timeout: float = 90.0,
        prefer_usual_port: bool = False,
    ) -> None:
        super().__init__(
            folder, nodes, throw_away=throw_away, boot_timeout=boot_timeout, prefer_usual_port=prefer_usual_port
        )
        self._program = program
        self._heap_mb = heap_mb
        self._fast_boot = fast_boot

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` of every node, comma separated."""
        return ",".join(f"{HOST}:{ports[0]}" for ports in self.ports.values())

    def prepare(self, number: int) -> None:
        """Write server.properties, and format the data folder when it is new."""
        folder = self.nodes[number].folder
        ports = {each: KafkaPorts(*pair) for each, pair in self.ports.items()}
        self._settings(number).write_text(properties(number, ports, folder / "data"), encoding="utf-8")
        (folder / "tmp").mkdir(exist_ok=True)
        if not (folder / "data" / "meta.properties").exists():
            self._format(number)

    def command(self, number: int) -> tuple[list[str], Mapping[str, str]]:
        """The broker's JVM."""
        heap = [f"-Xmx{self._heap_mb}m", f"-Xms{min(self._heap_mb, 128)}m"]
        return [*self._java(number, heap), "kafka.Kafka", str(self._settings(number))], os.environ

    def is_ready(self, number: int) -> bool:
        """Whether the broker has said so and answers a request."""
        return _STARTED in self.nodes[number].said() and answers(HOST, self.ports[number][0])

    def _settings(self, number: int) -> Path:
        return self.nodes[number].folder / "server.properties"

    def _java(self, number: int, options: list[str]) -> list[str]:
        log = {"defaultLogLevel": "info", "showDateTime": "true", "dateTimeFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"}
        return [
            str(self._program.java),
            *["-XX:+UseSerialGC", "-XX:-UsePerfData", "-Djava.awt.headless=true"],
            *(["-XX:TieredStopAtLevel=1"] if self._fast_boot else []),
            # The compression libraries unpack themselves there; a killed broker would leave them in /tmp.
            f"-Djava.io.tmpdir={self.nodes[number].folder / 'tmp'}",
            *[f"-Dorg.slf4j.simpleLogger.{name}={value}" for name, value in log.items()],
            *options,
            *["-cp", self._program.class_path],
        ]

    def _format(self, number: int) -> None:
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id(self.bootstrap_servers)}"]
        command = [*self._java(number, ["-Xmx128m"]), *tool, "-c", str(self._settings(number))]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if ended.returncode != 0:
            said = (ended.stdout + ended.stderr)[-2000:]
            raise LocalStackError(f"Kafka could not format {self.nodes[number].folder / 'data'}:\n{said}")


def cluster_id(bootstrap_servers: str) -> str:
    """A Kafka cluster id (16 bytes in URL-safe base64) that is the same for all nodes, whenever each is formatted."""
    return base64.urlsafe_b64encode(uuid.uuid5(uuid.NAMESPACE_URL, bootstrap_servers).bytes).rstrip(b"=").decode()


def answers(host: str, port: int, timeout: float = 1.0) -> bool:
    """Whether a Kafka broker answers ApiVersions (v0, see https://kafka.apache.org/protocol) within `timeout` s."""
    body = struct.pack(">hhih", _API_VERSIONS, 0, 1, -1)
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            answer = connection.makefile("rb").read(10)
    except OSError:
        return False
    # Length, our correlation id 1, error code 0.
    return len(answer) == 10 and struct.unpack(">iih", answer)[1:] == (1, 0)
