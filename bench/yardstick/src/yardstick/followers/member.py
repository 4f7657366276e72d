"""One member of a group, as a process: `python -m yardstick.followers.member ours|faststream|guarded`.

`TOPIC` and `GROUP` say what it follows. It imports the sender's app first, because that is where a follower lives: its
memory is what the sender would have.
"""

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from functools import partial

import uvloop

import sender.app  # noqa: F401  # for its memory
from common.kafka.clients import make_group_consumer
from common.kafka.consume.at_least_once import Follower
from common.kafka.settings import KafkaSettings
from common.telemetry.logs import configure_logging
from yardstick.followers.work import GATHER_MS, STARTED, Work


async def _ours(settings: KafkaSettings, group: str, topic: str, work: Work) -> None:
    make = partial(make_group_consumer, settings, gather_ms=GATHER_MS)
    follower = Follower(group=group, topics=[topic], make_consumer=make, handle=work.handle)
    await follower.start()
    try:
        await asyncio.Event().wait()
    finally:
        await follower.stop()


async def run(kind: str) -> None:
    """Follow until SIGTERM."""
    this = asyncio.current_task()
    assert this is not None  # noqa: S101  # a coroutine always runs in a task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    given = KafkaSettings(), os.environ["GROUP"], os.environ["TOPIC"], Work()
    if kind == "ours":
        await _ours(*given)
    else:
        from yardstick.followers import with_faststream  # its memory is not ours

        await (with_faststream.bare if kind == "faststream" else with_faststream.guarded)(*given)


def main() -> None:
    """The command line."""
    kind = sys.argv[1]
    if kind == "faststream":
        logging.basicConfig(level=logging.INFO)
    else:
        configure_logging("follower")
    print(STARTED, flush=True)
    with suppress(asyncio.CancelledError), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(kind))


if __name__ == "__main__":
    main()
