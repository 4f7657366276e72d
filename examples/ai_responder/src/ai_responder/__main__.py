"""`python -m ai_responder`: answer customers until SIGTERM."""

import argparse
import asyncio
import logging
import sys

import httpx
from aiokafka.errors import KafkaError
from faststream import FastStream

from ai_responder.app import build_broker
from ai_responder.brain import by_llm, by_rules
from ai_responder.settings import Settings

log = logging.getLogger("ai_responder")

_RETRY_SECONDS = 1.0


async def run(settings: Settings) -> None:
    """Answer until asked to stop; while Kafka is away at the start, keep trying."""
    async with httpx.AsyncClient(timeout=settings.llm_timeout_seconds) as client:
        brain = by_llm(settings, client) if settings.llm_url else by_rules
        while True:
            try:
                await FastStream(build_broker(settings, brain)).run()
            except* KafkaError as group:
                log.warning("Kafka is away, trying again: %s", type(group.exceptions[0]).__name__)
            else:
                return
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
    asyncio.run(run(Settings()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
