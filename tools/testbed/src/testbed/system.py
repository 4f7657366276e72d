"""The whole system on this machine: Kafka, MongoDB, every service, the emulator and the AI example, as processes."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from local_stack import LocalStack
from local_stack.node import Node
from local_stack.ports import free_ports
from testbed.plan import PEERS, Choices, Credentials, Process, listeners, names_of, processes, urls

PARTITIONS = 4
STOPPING = ("emulator", "gateway", "ai_responder", "sender", "conversation", "ingress", "accounts", PEERS)
_READY_SECONDS = 60.0
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.05


class SystemFailed(Exception):
    """A process did not start. The text has the last lines of its log."""


class System:
    """Start with `with System() as system`. `port` 0 takes a free one for the gateway.

    `choices` say how it differs from the plain one; `partitions` and `replication` are those of the topics. With
    `usual_ports` Kafka and MongoDB are on theirs when these are free. `home` writes the gateway's page, as HTML, once
    Kafka and MongoDB run. `timings` says how many seconds each stage took.
    The logs in `folder` go with the system, unless it ends by an error or `keep_logs` is set.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        stack: LocalStack | None = None,
        choices: Choices | None = None,
        partitions: int = PARTITIONS,
        replication: int = 1,
        usual_ports: bool = False,
        home: Callable[["System"], str] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._own_stack = stack is None
        self.stack = stack or LocalStack(usual_ports=usual_ports)
        self.secret = Credentials()
        self.timings: dict[str, float] = {}
        self.choices = choices or Choices()
        names = listeners(self.choices.replicas)
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        ports["gateway"] = port or ports["gateway"]
        self.urls = urls(ports)
        self.folder = Path(tempfile.mkdtemp(prefix="whatsapp-cloud-testbed-"))
        self.keep_logs = False
        self._ports = ports
        self._partitions = partitions
        self._replication = replication
        self._home = home
        self._say = say
        self._plan: dict[str, Process] = {}
        self._nodes: dict[str, Node] = {}

    def __enter__(self) -> Self:
        """Start everything. After a failure, stop everything again."""
        try:
            self.start()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything. Ctrl-C is not an error, because it ends the demo."""
        self.stop()
        if self.keep_logs or (error is not None and not isinstance(error, KeyboardInterrupt)):
            self._say(f"logs are kept in {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start everything and wait until it is ready. Raises `SystemFailed`, or the local stack's errors."""
        if self._own_stack:
            with self._stage("Kafka and MongoDB"):
                self.stack.start()
        with self._stage("topics"):
            self._make_topics()
        with self._stage("services"):
            plan = processes(
                self._ports,
                self.secret,
                kafka=self.stack.kafka_bootstrap_servers,
                mongodb=self.stack.mongodb_uri,
                choices=replace(self.choices, home=self._write_home(self._home)) if self._home else self.choices,
            )
            self._plan = {process.name: process for process in plan}
            wanted = [name for name in self._plan if name not in self.choices.idle]
            for name in wanted:
                self.spawn(name)
            for name in wanted:
                self.wait_ready(name)

    def stop(self) -> None:
        """Stop all processes in order, then Kafka and MongoDB."""
        with self._stage("stop"):
            for service in STOPPING:
                for name in self.names(service):
                    if name in self._nodes:
                        self._nodes[name].stop(_STOP_SECONDS)
            if self._own_stack:
                self.stack.stop()

    def spawn(self, name: str, command: Sequence[str] | None = None) -> None:
        """Start one process, with the planned command if none is given. Its log is appended to the same file."""
        process = self._plan[name]
        node = self._nodes.setdefault(name, Node(name, self.folder, None))
        node.spawn(command or process.command, {**os.environ, "PYTHONUNBUFFERED": "1", **process.environment})

    def names(self, service: str) -> list[str]:
        """The process names of a service's replicas."""
        return names_of(service, self.choices.replicas)

    def alive(self, name: str) -> bool:
        """Whether a process exists (paused counts)."""
        return name in self._nodes and self._nodes[name].alive

    def pid_of(self, name: str) -> int | None:
        """The process id; None when it does not run."""
        return self._nodes[name].pid if self.alive(name) else None

    def kill(self, name: str) -> None:
        """Kill -9."""
        self._nodes[name].kill()

    def terminate(self, name: str, seconds: float = _STOP_SECONDS) -> int | None:
        """Ask a process to end, as Kubernetes does; its exit code, or None when it was killed after `seconds`."""
        return self._nodes[name].stop(seconds)

    def pause(self, name: str) -> None:
        """SIGSTOP: the process keeps its connections and does nothing."""
        self._nodes[name].send(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """SIGCONT a paused process."""
        self._nodes[name].send(signal.SIGCONT)

    def restart(self, name: str) -> None:
        """Start a process that was killed, and wait until it is ready."""
        self.spawn(name)
        self.wait_ready(name)

    def wait_ready(self, name: str, seconds: float = _READY_SECONDS) -> None:
        """Wait until a process says that it is ready. Raises `SystemFailed` with the end of its log."""
        url = self._plan[name].ready_url
        deadline = time.monotonic() + seconds
        while url is not None and not answers(url):
            node = self._nodes[name]
            if not node.alive:
                raise SystemFailed(f"{name} has ended; {node.last_words()}")
            if time.monotonic() > deadline:
                raise SystemFailed(f"{name} was not ready within {seconds:.0f} s; {node.last_words()}")
            time.sleep(_POLL_SECONDS)

    def log_of(self, name: str) -> str:
        """Everything a process has logged since its latest start."""
        return self._nodes[name].said()

    def all_logs(self) -> dict[str, str]:
        """The logs of all processes, also from before restarts."""
        return {name: node.log.read_text(errors="replace") for name, node in self._nodes.items() if node.log.exists()}

    def _write_home(self, home: Callable[["System"], str]) -> str:
        page = self.folder / "home.html"
        page.touch(mode=0o600)
        page.write_text(home(self), encoding="utf-8")
        return str(page)

    def _make_topics(self) -> None:
        command = [sys.executable, "-m", "common.kafka.admin", "ensure", "--replication", str(self._replication)]
        command += ["--partitions", str(self._partitions)]
        environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": self.stack.kafka_bootstrap_servers}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemFailed(f"the topics could not be made: {done.stdout}{done.stderr}")

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        self._say(f"{name} …")
        yield
        self.timings[name] = time.monotonic() - started
        self._say(f"{name}: {self.timings[name]:.1f} s")


def answers(url: str) -> bool:
    """Whether 200 comes within five seconds."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # a URL of our own, on this machine
            return bool(answer.status == 200)
    except urllib.error.HTTPError as refused:
        refused.close()  # it holds the connection, and Python 3.14 warns when it is collected open
        return False
    except OSError:
        return False
