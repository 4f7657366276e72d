"""The whole stack: a real Kafka and a real MongoDB for as long as a block runs."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from local_stack.cluster import Cluster
from local_stack.containers import DockerStack
from local_stack.errors import LocalStackError
from local_stack.fetch import pins
from local_stack.fetch.cache import cache_folder
from local_stack.fetch.programs import KafkaProgram, kafka_program, mongod_program
from local_stack.kafka import Kafka
from local_stack.mongo import Mongo
from local_stack.parallel import together
from local_stack.progress import Progress


def _docker_wanted() -> bool:
    return os.environ.get("TEST_INFRA") == "docker"


class LocalStack:
    """Kafka and MongoDB, started together, stopped together; downloads what they need at first use.

    `data` keeps their data in that folder; without it a temporary folder is used and removed. With
    KAFKA_BOOTSTRAP_SERVERS or MONGODB_URI set, that part is not started and the value is used. With TEST_INFRA=docker
    both come from the official container images (one node each). With `usual_ports` the first nodes listen on 9092 and
    27017 when these are free. `timings` has the seconds of each stage; `fast_boot` and `kafka_heap_mb` are explained at
    `Kafka`.

    Blocks; from async code: `await asyncio.to_thread(stack.start)`. Raises LocalStackError when something cannot be
    started, and then leaves nothing running.
    """

    def __init__(
        self,
        kafka_nodes: int = 1,
        mongo_nodes: int = 1,
        data: Path | None = None,
        *,
        fast_boot: bool = True,
        kafka_heap_mb: int = 512,
        usual_ports: bool = False,
    ) -> None:
        self.timings: dict[str, float] = {}
        self._given = (os.environ.get("KAFKA_BOOTSTRAP_SERVERS", ""), os.environ.get("MONGODB_URI", ""))
        self.kafka_bootstrap_servers, self.mongodb_uri = self._given
        self._kafka_nodes = 0 if self.kafka_bootstrap_servers else kafka_nodes
        self._mongo_nodes = 0 if self.mongodb_uri else mongo_nodes
        self._data = data.absolute() if data else None
        self._fast_boot = fast_boot
        self._heap_mb = kafka_heap_mb
        self._usual_ports = usual_ports
        self._progress = Progress()
        self._folder: Path | None = None
        self._kafka_program: KafkaProgram | None = None
        self._mongod: Path | None = None
        self._kafka: Kafka | None = None
        self._mongo: Mongo | None = None
        self._docker: DockerStack | None = None

    @property
    def kafka(self) -> Kafka:
        """The cluster, to kill, pause and restart its nodes. Raises LocalStackError for a cluster from elsewhere."""
        if self._kafka is None:
            raise LocalStackError("this Kafka was not started as processes of the local stack: its nodes are not ours")
        return self._kafka

    @property
    def mongo(self) -> Mongo:
        """The replica set, to kill, pause and restart its nodes. Raises LocalStackError for one from elsewhere."""
        if self._mongo is None:
            raise LocalStackError(
                "this MongoDB was not started as processes of the local stack: its nodes are not ours"
            )
        return self._mongo

    @property
    def clusters(self) -> list[Cluster]:
        """The clusters that run as processes of this stack."""
        return [cluster for cluster in (self._kafka, self._mongo) if cluster]

    def start(self) -> Self:
        """Fetch what is missing, start everything in parallel, return when all of it is ready."""
        if self._kafka_nodes or self._mongo_nodes:
            if _docker_wanted():
                self._start_containers()
            else:
                self._start_processes()
        return self

    def fetch(self) -> None:
        """Download and check what `start` would need here, and start nothing."""
        deeds = [self._fetch_kafka] if self._kafka_nodes else []
        deeds += [self._fetch_mongod] if self._mongo_nodes else []
        if deeds and not _docker_wanted():
            together(deeds, end=self._progress.cancel)

    def stop(self) -> None:
        """Stop everything that was started and remove its folder unless it is kept. Harmless when repeated."""
        if self._docker:
            self._docker.stop()
            self._docker = None
        if self.clusters:
            together([cluster.stop for cluster in self.clusters])
        self._kafka = self._mongo = None
        self.kafka_bootstrap_servers, self.mongodb_uri = self._given
        if self._folder and self._data is None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_containers(self) -> None:
        self._docker = DockerStack(self._progress, kafka=self._kafka_nodes, mongo=self._mongo_nodes)
        with self._timed("boot"):
            self._docker.start()
        self.kafka_bootstrap_servers = self.kafka_bootstrap_servers or self._docker.kafka_bootstrap_servers
        self.mongodb_uri = self.mongodb_uri or self._docker.mongodb_uri

    def _start_processes(self) -> None:
        with self._timed("download"):
            self.fetch()
        self._make_clusters(self._data or Path(tempfile.mkdtemp(prefix="local-stack-")))
        try:
            with self._timed("boot"):
                together([partial(self._boot, cluster) for cluster in self.clusters], end=self._end_booting)
        except LocalStackError:
            self._stop_and_keep_logs()
            raise
        except BaseException:
            self.stop()
            raise
        self.kafka_bootstrap_servers = self._kafka.bootstrap_servers if self._kafka else self.kafka_bootstrap_servers
        self.mongodb_uri = self._mongo.uri if self._mongo else self.mongodb_uri

    def _fetch_kafka(self) -> None:
        self._kafka_program = kafka_program(cache_folder(), pins.load(), self._progress)

    def _fetch_mongod(self) -> None:
        self._mongod = mongod_program(cache_folder(), pins.load(), self._progress)

    def _make_clusters(self, folder: Path) -> None:
        self._folder = folder
        throw_away = self._data is None
        if self._kafka_program:
            self._kafka = Kafka(
                self._kafka_program,
                folder,
                self._kafka_nodes,
                throw_away=throw_away,
                heap_mb=self._heap_mb,
                fast_boot=self._fast_boot,
                prefer_usual_port=self._usual_ports,
            )
        if self._mongod:
            self._mongo = Mongo(
                self._mongod,
                folder,
                self._mongo_nodes,
                throw_away=throw_away,
                prefer_usual_port=self._usual_ports,
            )

    def _end_booting(self) -> None:
        for cluster in self.clusters:
            cluster.stop()

    def _boot(self, cluster: Cluster) -> None:
        stage = f"boot {cluster.kind}"
        with self._timed(stage):
            cluster.start()
        nodes = "1 node" if len(cluster.nodes) == 1 else f"{len(cluster.nodes)} nodes"
        self._progress.say(f"{cluster.kind} is ready ({nodes}, {self.timings[stage]:.1f} s)")

    def _stop_and_keep_logs(self) -> None:
        """Stop and delete the data, but keep the logs, because the error names them."""
        folder = self._folder
        self._folder = None
        self.stop()
        if folder and self._data is None:
            for path in folder.glob("*/*/"):
                shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.timings[stage] = time.monotonic() - started
