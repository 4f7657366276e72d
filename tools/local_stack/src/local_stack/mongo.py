"""mongod as a replica set of one node or several, as subprocesses."""

import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from local_stack.cluster import Cluster
from local_stack.errors import LocalStackError

HOST = "127.0.0.1"
REPLICA_SET = "rs0"
_NOT_YET_INITIALIZED = 94
_ANSWER_MS = 1000


def replica_set_config(hosts: list[str]) -> dict[str, Any]:
    """The document for replSetInitiate; several nodes elect a new primary within about 2 s."""
    config: dict[str, Any] = {
        "_id": REPLICA_SET,
        "members": [{"_id": index, "host": host} for index, host in enumerate(hosts)],
    }
    if len(hosts) > 1:
        config["settings"] = {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500}
    return config


def connection_string(hosts: list[str]) -> str:
    """The mongodb:// URI of a replica set with these host:port."""
    return f"mongodb://{','.join(hosts)}/?replicaSet={REPLICA_SET}"


def run_command(host: str, port: int, command: dict[str, Any], timeout_ms: int = 10_000) -> dict[str, Any]:
    """Run a command on exactly this node, whatever its role. Raises PyMongoError."""
    with MongoClient[dict[str, Any]](
        host,
        port,
        directConnection=True,
        serverSelectionTimeoutMS=timeout_ms,
        connectTimeoutMS=timeout_ms,
        socketTimeoutMS=timeout_ms,
    ) as client:
        return client.admin.command(command)


def state_of(host: str, port: int) -> str | None:
    """The member's state as it sees itself (PRIMARY, SECONDARY…); "" before the set was made; None without answer."""
    try:
        status = run_command(host, port, {"replSetGetStatus": 1}, _ANSWER_MS)
    except OperationFailure as error:
        return "" if error.code == _NOT_YET_INITIALIZED else None
    except PyMongoError:
        return None
    return next((member["stateStr"] for member in status["members"] if member.get("self")), None)


class Mongo(Cluster):
    """A replica set; node numbers are those of the stack (member ids plus one)."""

    kind = "mongo"
    ports_per_node = 1
    usual_port = 27017

    def __init__(
        self,
        mongod: Path,
        folder: Path,
        nodes: int = 1,
        *,
        throw_away: bool,
        boot_timeout: float = 60.0,
        prefer_usual_port: bool = False,
    ) -> None:
        super().__init__(
            folder, nodes, throw_away=throw_away, boot_timeout=boot_timeout, prefer_usual_port=prefer_usual_port
        )
        self._mongod = mongod

    @property
    def uri(self) -> str:
        """The connection string with every node."""
        return connection_string(self._hosts())

    def prepare(self, number: int) -> None:
        """Make the data folder."""
        (self.nodes[number].folder / "db").mkdir(exist_ok=True)

    def command(self, number: int) -> tuple[list[str], Mapping[str, str]]:
        """The command of mongod, with little memory and without features that tests do not need."""
        options = {
            "--dbpath": str(self.nodes[number].folder / "db"),
            "--port": str(self.ports[number][0]),
            "--bind_ip": HOST,
            "--replSet": REPLICA_SET,
            "--wiredTigerCacheSizeGB": "0.25",
            # 5 % of the disk by default.
            "--oplogSize": "256",
        }
        parameters = {
            # Samples of every counter each second, for MongoDB's own support.
            "diagnosticDataCollectionEnabled": "false",
            # A member that is told to stop waits 15 s for its clients to leave by default.
            "shutdownTimeoutMillisForSignaledShutdown": "500",
            # A secondary that copies from a member that stands still looks for another one after this (and half the
            # election's time-out); by default after 5 s more. Meanwhile no write has a majority.
            "oplogNetworkTimeoutBufferSeconds": "1",
        }
        flat = [part for pair in options.items() for part in pair]
        flat += [part for name, value in parameters.items() for part in ("--setParameter", f"{name}={value}")]
        return [str(self._mongod), *flat, "--nounixsocket"], os.environ

    def await_ready(self) -> None:
        """Create the replica set if the data is new. Return when there is a primary and all other members follow it."""
        for number in self.nodes:
            self.wait_until(number, partial(self._answers, number))
        if self._state(1) == "":
            run_command(HOST, self.ports[1][0], {"replSetInitiate": replica_set_config(self._hosts())})
        super().await_ready()
        self.primary(self.boot_timeout)

    def is_ready(self, number: int) -> bool:
        """Whether the node is a primary or a secondary of the set."""
        return self._state(number) in {"PRIMARY", "SECONDARY"}

    def primary(self, timeout: float = 15.0) -> int:
        """The number of the node that is primary, waiting up to `timeout` s for one; raises LocalStackError."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for number, node in self.nodes.items():
                if node.alive and self._is_writable_primary(number):
                    return number
            time.sleep(0.05)
        raise LocalStackError(f"the replica set has had no primary for {timeout} s; is a majority of it running?")

    def _hosts(self) -> list[str]:
        return [f"{HOST}:{ports[0]}" for ports in self.ports.values()]

    def _is_writable_primary(self, number: int) -> bool:
        try:
            answer = run_command(HOST, self.ports[number][0], {"hello": 1}, _ANSWER_MS)
        except PyMongoError:
            return False
        return bool(answer["isWritablePrimary"])

    def _answers(self, number: int) -> bool:
        return self._state(number) is not None

    def _state(self, number: int) -> str | None:
        return state_of(HOST, self.ports[number][0])
