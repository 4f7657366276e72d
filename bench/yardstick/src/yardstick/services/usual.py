"""The usual stack behind Kafka: FastStream with motor, and with httpx. Also the bare steps of both services."""

from typing import Final, Literal

from common.contracts.topics import SEND, WEBHOOKS, Topic
from yardstick.rig.program import Program, python
from yardstick.rig.rig import Rig, free_port

OUT: Final = Topic("bench-out", "k", "bench", "What baselines publish.")
BATCH: Final = "batch"
"""FastStream's `batch=True`, in place of a number of workers."""

Workers = int | Literal["batch"]


def with_motor(rig: Rig, name: str, workers: Workers) -> Program:
    """Conversation as it is usually written; `name` is its database and its consumer group."""
    return _faststream(rig, "motor", name, workers, WEBHOOKS)


def with_httpx(rig: Rig, name: str, workers: Workers, graph: str) -> Program:
    """The sender as it is usually written."""
    return _faststream(rig, "httpx", name, workers, SEND, GRAPH_BASE_URL=graph)


def bare_transaction(rig: Rig, name: str, source: str) -> Program:
    """Conversation's MongoDB transaction alone, with the documents of the database `source`."""
    command = python("baselines.bare_transaction")
    return rig.service("bare_transaction", command, free_port(), "/", MONGODB_DATABASE=name, SOURCE=source)


def bare_send(rig: Rig, name: str, graph: str, rate: float) -> Program:
    """A raw HTTP call and two durable bulk writes for each of `rate` sends a second."""
    settings = rig.settings(MONGODB_DATABASE=name, GRAPH_BASE_URL=graph, RATE=f"{rate:g}")
    return Program("bare_send", python("baselines.bare_send"), settings, rig.cores.service)


def _faststream(rig: Rig, kind: str, name: str, workers: Workers, topic: Topic, **more: str) -> Program:
    settings = rig.settings(MONGODB_DATABASE=name, GROUP=name, TOPIC=topic.name, OUT_TOPIC=OUT.name, **more)
    command = python(f"baselines.faststream_{kind}")
    return Program(f"faststream_{kind}", command, {**settings, "WORKERS": str(workers)}, rig.cores.service)
