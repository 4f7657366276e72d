"""`python -m ai_responder`: answer customers until SIGTERM."""

import argparse
import asyncio
import logging
import signal
import sys
from contextlib import suppress

import httpx
from aiokafka.errors import KafkaError

from ai_responder.app import INCOMING, build_broker
from ai_responder.brain import by_llm, by_rules
from ai_responder.settings import Settings
from ai_responder.tracing import exported

log = logging.getLogger("ai_responder")

_RETRY_SECONDS = 1.0


async def run(settings: Settings) -> None:
    """Answer until SIGTERM or Ctrl-C cancels this task; while Kafka is away at the start, keep trying.

    `FastStream.run` would set its signal handlers anew at each attempt, for an application that a failed start has
    ended: a signal between two attempts would be lost.
    """
    this = asyncio.current_task()
    assert this is not None  # noqa: S101  # a coroutine always runs in a task
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    async with httpx.AsyncClient(timeout=settings.llm_timeout_seconds) as client:
        brain = by_llm(settings, client) if settings.llm_url else by_rules
        while True:
            broker = build_broker(settings, brain)
            try:
                await broker.start()
                log.info("answering %s as group %s", INCOMING, settings.ai_group)
                await asyncio.Event().wait()
            except KafkaError as error:
                log.warning("Kafka is away, trying again: %s", type(error).__name__)
            finally:
                await broker.stop()
            await asyncio.sleep(_RETRY_SECONDS)


def main() -> int:
    """The command line."""
    names = "\n".join(f"  {name.upper()}" for name in Settings.model_fields)
    argparse.ArgumentParser(
        prog="python -m ai_responder",
        description="Answers customers: an example consumer of incoming-messages.",
        epilog=f"settings (environment variables):\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with exported(), suppress(asyncio.CancelledError):
        asyncio.run(run(Settings()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
