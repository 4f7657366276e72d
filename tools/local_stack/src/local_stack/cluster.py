"""What Kafka and MongoDB have in common: numbered nodes that are started, watched, broken and stopped."""

import json
import re
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from local_stack.errors import LocalStackError
from local_stack.node import Node
from local_stack.parallel import together
from local_stack.ports import free_ports, is_free

_POLL_S = 0.05
_PORT_ATTEMPTS = 3
_PORT_TAKEN = re.compile("already in use|failed to bind", re.IGNORECASE)


class PortTaken(LocalStackError):
    """A node could not listen because another process took its port first."""


class Cluster(ABC):
    """Nodes numbered from 1, each with a folder below `folder` and ports that stay the same over restarts.

    With `throw_away` the folder is deleted when the stack stops, and by the guards when this process dies; then
    stopping need not be gentle either. Methods block; call them from async code with `asyncio.to_thread`.
    """

    kind: str
    ports_per_node: int
    usual_port: int
    """The default port of the first node."""

    def __init__(
        self, folder: Path, nodes: int, *, throw_away: bool, boot_timeout: float, prefer_usual_port: bool = False
    ) -> None:
        self.folder = folder
        self.throw_away = throw_away
        self.boot_timeout = boot_timeout
        remove = folder if throw_away else None
        names = [f"{self.kind}-{number}" for number in range(1, nodes + 1)]
        self.nodes = {number: Node(name, folder / name, remove) for number, name in enumerate(names, start=1)}
        self.ports: dict[int, list[int]] = {}
        self._prefer_usual_port = prefer_usual_port
        self._closing = threading.Event()

    @abstractmethod
    def prepare(self, number: int) -> None:
        """Write what the node needs before its (re)start; its folder exists."""

    @abstractmethod
    def command(self, number: int) -> tuple[list[str], Mapping[str, str]]:
        """The node's command line and environment."""

    @abstractmethod
    def is_ready(self, number: int) -> bool:
        """Whether the node answers and takes part in the cluster."""

    def start(self) -> None:
        """Start all nodes and return when all are ready. Raises LocalStackError with the log's last lines."""
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            fresh = self._choose_ports()
            try:
                self._start_all()
            except PortTaken:
                self._each(Node.kill)
                if not fresh or attempt == _PORT_ATTEMPTS:
                    raise
                self._ports_file.unlink()
            else:
                return

    def _start_all(self) -> None:
        together([partial(self._launch, number) for number in self.nodes])
        self.await_ready()

    def await_ready(self) -> None:
        """Return when every node is ready; raises LocalStackError after the boot time-out."""
        for number in self.nodes:
            self.wait_until(number, partial(self.is_ready, number))

    def wait_until(self, number: int, condition: Callable[[], bool]) -> None:
        """Poll `condition`; raises LocalStackError with the node's log when it ends or the boot time-out passes."""
        node, deadline = self.nodes[number], time.monotonic() + self.boot_timeout
        while not condition():
            if self._closing.is_set():
                raise LocalStackError(f"{node.name} was stopped while it started")
            if not node.alive:
                taken = _PORT_TAKEN.search(node.said())
                raise (PortTaken if taken else LocalStackError)(f"{node.name} ended; {node.last_words()}")
            if time.monotonic() > deadline:
                raise LocalStackError(f"{node.name} is not ready after {self.boot_timeout} s; {node.last_words()}")
            time.sleep(_POLL_S)

    def kill(self, number: int = 1) -> None:
        """SIGKILL a node and wait until it is gone."""
        self.nodes[number].kill()

    def pause(self, number: int = 1) -> None:
        """SIGSTOP a node: it keeps its connections and answers nothing."""
        self.nodes[number].send(signal.SIGSTOP)

    def resume(self, number: int = 1) -> None:
        """SIGCONT a paused node."""
        self.nodes[number].send(signal.SIGCONT)

    def stop_node(self, number: int = 1, patience: float = 20.0) -> None:
        """SIGTERM a node, wait up to `patience` seconds for its orderly end, then SIGKILL it."""
        self.nodes[number].stop(patience)

    def restart(self, number: int = 1) -> None:
        """Start a node again on its data and ports (killing it first if it runs); returns when it is ready."""
        self.nodes[number].kill()
        self._launch(number)
        self.wait_until(number, partial(self.is_ready, number))

    def stop(self) -> None:
        """Stop all nodes. A stopped cluster cannot be started again."""
        self._closing.set()
        # The last nodes wait for a majority that is gone. Killing them is safe, because the kernel has all written
        # data, and Kafka and mongod recover from their logs.
        patience = 20.0 if len(self.nodes) == 1 else 5.0
        self._each(Node.kill if self.throw_away else lambda node: node.stop(patience))

    def dead_nodes(self) -> list[Node]:
        """The nodes that ended by themselves."""
        return [node for node in self.nodes.values() if node.pid is not None and not node.alive]

    def _each(self, deed: Callable[[Node], object]) -> None:
        together([partial(deed, node) for node in self.nodes.values()])

    def _launch(self, number: int) -> None:
        node = self.nodes[number]
        node.folder.mkdir(parents=True, exist_ok=True)
        self.prepare(number)
        if self._closing.is_set():
            raise LocalStackError(f"{node.name} was stopped before it started")
        node.spawn(*self.command(number))

    @property
    def _ports_file(self) -> Path:
        return self.folder / f"{self.kind}-ports.json"

    def _choose_ports(self) -> bool:
        """Set the ports, those of the kept folder if it has some; True when they are new."""
        if self._ports_file.exists():
            saved = json.loads(self._ports_file.read_text(encoding="utf-8"))
            self.ports = {int(number): ports for number, ports in saved.items()}
            self._check_kept()
            return False
        chosen = free_ports(len(self.nodes) * self.ports_per_node)
        step = self.ports_per_node
        self.ports = {number: chosen[(number - 1) * step : number * step] for number in self.nodes}
        if self._prefer_usual_port and is_free(self.usual_port):
            self.ports[1][0] = self.usual_port
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ports_file.write_text(json.dumps(self.ports), encoding="utf-8")
        return True

    def _check_kept(self) -> None:
        if set(self.ports) != set(self.nodes):
            raise LocalStackError(
                f"{self.folder} holds {len(self.ports)} {self.kind} node(s): start as many, or use another folder"
            )
        taken = [port for ports in self.ports.values() for port in ports if not is_free(port)]
        if taken:
            raise LocalStackError(
                f"ports {taken}, which the data in {self.folder} is bound to, are in use: is it running already?"
            )
