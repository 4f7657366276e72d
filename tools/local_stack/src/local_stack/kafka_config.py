"""The settings of a Kafka node, as the text of its server.properties."""

from dataclasses import dataclass
from pathlib import Path

_MIB = 1024 * 1024
HOST = "127.0.0.1"


@dataclass(frozen=True)
class KafkaPorts:
    """Where a node listens: for clients, and for the other controllers."""

    broker: int
    controller: int


def properties(number: int, ports: dict[int, KafkaPorts], data: Path) -> str:
    """server.properties of node `number` of a KRaft cluster of combined brokers and controllers (one or several)."""
    settings = {**_identity(number, ports, data), **shared_settings(len(ports))}
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def shared_settings(nodes: int) -> dict[str, object]:
    """What every node of a cluster of that many has in common."""
    return {**_replication(nodes), **_LIMITS, **_QUICK}


def _identity(number: int, ports: dict[int, KafkaPorts], data: Path) -> dict[str, object]:
    mine = ports[number]
    return {
        "process.roles": "broker,controller",
        "node.id": number,
        "controller.quorum.voters": ",".join(f"{n}@{HOST}:{p.controller}" for n, p in ports.items()),
        "listeners": f"PLAINTEXT://{HOST}:{mine.broker},CONTROLLER://{HOST}:{mine.controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{mine.broker}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data,
    }


def _replication(nodes: int) -> dict[str, object]:
    copies = min(nodes, 3)
    in_sync = 2 if copies == 3 else 1
    return {
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        # A killed node is noticed after 3 s instead of 9 s.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
    }


_LIMITS: dict[str, object] = {
    # A webhook body of 3 MB becomes a record of up to 4 MiB (as JSON in JSON), with room for headers.
    "message.max.bytes": 5 * _MIB,
    "replica.fetch.max.bytes": 5 * _MIB,
    # The default of 128 MiB would be a quarter of the heap, and nothing here is compacted in bulk.
    "log.cleaner.dedupe.buffer.size": 16 * _MIB,
}

_QUICK: dict[str, object] = {
    # A misspelt topic must fail, not appear.
    "auto.create.topics.enable": "false",
    # The first member of a group need not wait 3 s for a second one.
    "group.initial.rebalance.delay.ms": 0,
    # 50 partitions each by default: creating them takes seconds of a first commit or transaction.
    "offsets.topic.num.partitions": 3,
    "transaction.state.log.num.partitions": 3,
    "share.coordinator.state.topic.num.partitions": 3,
    "num.partitions": 1,
}
