"""`python -m ai_responder`: answers customers until SIGTERM."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from contextlib import suppress

import httpx
from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError, RequestTimedOutError
from pydantic import ValidationError

from ai_responder.app import INCOMING, build_broker
from ai_responder.brain import by_llm, by_rules
from ai_responder.settings import Settings
from ai_responder.tracing import exported

log = logging.getLogger("ai_responder")

_RETRY_SECONDS = 1.0
_LINE_SECONDS = 60.0
_NO_ANSWER = (KafkaConnectionError, NodeNotReadyError, RequestTimedOutError, OSError)
_AWAY = "Kafka is away, trying again: %s"


class OutageLines(logging.Filter):
    """Passes one line a minute while Kafka is away, because the driver logs several lines ten times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._last = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is logged."""
        of_driver = record.name.startswith("aiokafka") and record.levelno >= logging.WARNING
        lost = of_driver and any(isinstance(value, _NO_ANSWER) for value in record.args or ())
        if time.monotonic() - self._last < _LINE_SECONDS:
            return not of_driver and record.msg != _AWAY
        if not lost and record.msg != _AWAY:
            return True
        self._last = time.monotonic()
        if lost:
            record.msg, record.args = _AWAY, (record.getMessage(),)
        return True


async def run(settings: Settings) -> None:
    """Answer until SIGTERM or Ctrl-C cancels this task. If Kafka is away at the start, keep trying.

    `FastStream.run` is not used, because it sets its signal handlers again with each attempt, for an application that
    the failed start has ended. A signal between two attempts would be lost.
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
                log.warning(_AWAY, type(error).__name__)
            finally:
                await broker.stop()
            await asyncio.sleep(_RETRY_SECONDS)


def main() -> int:
    """The command line."""
    fields = Settings.model_fields.items()
    names = "\n".join(f"  {name.upper():30} {field.description or ''}".rstrip() for name, field in fields)
    argparse.ArgumentParser(
        prog="python -m ai_responder",
        description="Answers customers. An example of a consumer of incoming-messages.",
        epilog=f"settings (environment variables):\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        settings = Settings(_env_file=os.environ.get("ENV_FILE", ".env") or None)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            print(f"ai_responder: {str(problem['loc'][0]).upper()}: {problem['msg']}", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(OutageLines())
    with exported(), suppress(asyncio.CancelledError):
        asyncio.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
