"""The common code of the two FastStream baselines: how they subscribe, and how they run."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvloop
from faststream import AckPolicy
from faststream.kafka import KafkaBroker


def subscribe(
    broker: KafkaBroker,
    handle: Callable[[Any], Awaitable[None]],
    handle_batch: Callable[[Any], Awaitable[None]],
    *,
    max_records: int,
) -> None:
    """Read `TOPIC` in `GROUP`: `handle` for each record, with at most `WORKERS` at the same time.

    With `WORKERS=batch`, `handle_batch` for up to `max_records` at once, which are acknowledged together.
    """
    workers = os.environ.get("WORKERS", "1")
    options: dict[str, Any] = {"group_id": os.environ["GROUP"], "auto_offset_reset": "earliest"}
    if workers == "batch":
        options |= {"batch": True, "max_records": max_records, "ack_policy": AckPolicy.ACK}
    elif workers == "1":
        options["ack_policy"] = AckPolicy.ACK
    else:  # FastStream allows no other policy with several workers on one partition
        options |= {"max_workers": int(workers), "ack_policy": AckPolicy.ACK_FIRST}
    broker.subscriber(os.environ["TOPIC"], **options)(handle_batch if workers == "batch" else handle)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run until SIGTERM, on the event loop of our services."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)
