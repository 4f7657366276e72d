"""The common code of the two FastStream baselines: how they subscribe, and how they run."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvloop
from faststream import AckPolicy
from faststream.kafka import KafkaBroker


def subscribe(broker: KafkaBroker, handle: Callable[[Any], Awaitable[None]]) -> None:
    """Call `handle` for each record of `TOPIC`, in `GROUP`, with at most `WORKERS` at the same time."""
    workers = int(os.environ.get("WORKERS", "1"))
    options: dict[str, Any] = {"group_id": os.environ["GROUP"], "auto_offset_reset": "earliest"}
    if workers > 1:
        options["max_workers"] = workers
        options["ack_policy"] = AckPolicy.ACK_FIRST  # FastStream allows no other with several workers
    else:
        options["ack_policy"] = AckPolicy.ACK
    broker.subscriber(os.environ["TOPIC"], **options)(handle)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run until SIGTERM, on the event loop of our services."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)
