"""`wa`: the command line for operators.

exit codes: 0 done; 1 a failure, for example Kafka or MongoDB does not answer; 2 wrong usage or settings;
            3 refused, or a check found a problem
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from aiokafka.errors import KafkaError, KafkaTimeoutError, KafkaUnavailableError, UnknownTopicOrPartitionError

from common.errors import AppError, Unavailable
from common.kafka.settings import KafkaSettings
from common.mongo import MongoError
from wa import indexes, init, journal, keys, migrate, topics, usage
from wa.connection import settings_of
from wa.dlq import commands as dlq
from wa.doctor import commands as doctor
from wa.erase import commands as erase
from wa.errors import Failed, SettingsWrong, mongodb_away
from wa.partitions.commands import register_sends

_AWAY: Final = (KafkaTimeoutError, KafkaUnavailableError)
"""Errors without an answer. Other errors that Kafka calls not retriable are answers."""

GROUPS: Final = (
    init.register,
    doctor.register,
    topics.register,
    indexes.register,
    keys.register,
    dlq.register,
    journal.register,
    register_sends,
    usage.register,
    migrate.register,
    erase.register,
)
"""Each adds its group of commands. Every command sets `run`, which awaits `(arguments, settings)` to an exit code, and
`kafka`: whether it needs those settings."""


class _Parser(argparse.ArgumentParser):
    """Shows its commands when none is given: their names are what the caller lacks."""

    def error(self, message: str) -> NoReturn:
        if message.endswith((" GROUP", " COMMAND")):
            self.print_help(sys.stderr)
            self.exit(2)
        super().error(message)


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    made = _Parser(
        prog="wa",
        description=__doc__,
        epilog="`wa GROUP COMMAND --help` shows the options and an example. Start with: wa init, wa doctor",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    groups = made.add_subparsers(dest="group", required=True, metavar="GROUP")
    for register in GROUPS:
        register(groups)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = parser().parse_args(argv)
    # A command without Kafka must not fail because Kafka's settings are missing or wrong.
    try:
        settings = settings_of(KafkaSettings) if arguments.kafka else KafkaSettings.model_construct()
    except SettingsWrong as error:
        return error.exit_code
    if arguments.bootstrap:
        settings = settings.model_copy(update={"kafka_bootstrap_servers": arguments.bootstrap})
    # The log lines of the drivers and of `common` would repeat many times what we print in one sentence.
    for name in ("aiokafka", "asyncio", "common"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        code: int = asyncio.run(arguments.run(arguments, settings))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `wa dlq list | head`: the reader has closed the pipe, and the flush at exit must not fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SettingsWrong as error:
        return error.exit_code
    except (Failed, AppError, KafkaError, TimeoutError, OSError) as error:
        print(f"wa: {sentence(error, settings.kafka_bootstrap_servers)}", file=sys.stderr)
        return error.exit_code if isinstance(error, Failed) else 1
    return code


def sentence(error: Exception, bootstrap: str) -> str:
    """The error and its remedy in one sentence."""
    if isinstance(error, Unavailable) and isinstance(error.__cause__, MongoError):
        says, remedy = mongodb_away(error)
        return f"MongoDB: {says}: {remedy}"
    if isinstance(error, Failed | AppError):
        return str(error)
    if isinstance(error, UnknownTopicOrPartitionError):
        return f"a topic is missing at {bootstrap}: create it with `wa topics ensure`"
    if isinstance(error, KafkaError) and not error.retriable and not isinstance(error, _AWAY):
        return f"Kafka at {bootstrap} refuses: {str(error) or type(error).__name__}"
    return (
        f"Kafka at {bootstrap} does not answer ({str(error) or type(error).__name__}):"
        " set KAFKA_BOOTSTRAP_SERVERS or --bootstrap, or try again later"
    )


if __name__ == "__main__":
    sys.exit(main())
