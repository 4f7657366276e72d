"""`wa`: the operator's command line.

exit codes: 0 done; 1 Kafka or MongoDB does not answer, or another failure; 2 wrong usage or settings;
            3 refused, or a check found something wrong
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from typing import Final

from aiokafka.errors import KafkaError, KafkaTimeoutError, KafkaUnavailableError, UnknownTopicOrPartitionError

from common.errors import AppError, Unavailable
from common.kafka.settings import KafkaSettings
from common.mongo import MongoError
from common.settings import read_settings
from wa import indexes, init, journal, keys, topics
from wa.dlq import commands as dlq
from wa.doctor import commands as doctor
from wa.erase import commands as erase
from wa.errors import Failed, mongodb_away

_AWAY: Final = (KafkaTimeoutError, KafkaUnavailableError)
"""Nobody has answered; other errors that are not worth repeating are answers."""

GROUPS: Final = (
    init.register,
    doctor.register,
    topics.register,
    indexes.register,
    keys.register,
    dlq.register,
    journal.register,
    erase.register,
)
"""Each adds its group of commands. Every command sets `run`, which awaits `(arguments, settings)` to an exit code, and
`kafka`: whether it needs those settings."""


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    made = argparse.ArgumentParser(
        prog="wa",
        description=__doc__,
        epilog="`wa GROUP COMMAND --help` says more, with an example. To begin with: wa init, wa doctor",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    groups = made.add_subparsers(dest="group", required=True, metavar="GROUP")
    for register in GROUPS:
        register(groups)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = parser().parse_args(argv)
    # Who does not need Kafka need not be told of it either, and not rightly.
    settings = read_settings("wa", KafkaSettings) if arguments.kafka else KafkaSettings.model_construct()
    if settings is None:
        return 2
    if arguments.bootstrap:
        settings = settings.model_copy(update={"kafka_bootstrap_servers": arguments.bootstrap})
    # The drivers' own complaints, and our own logs, repeat many times over what we say in one sentence.
    for name in ("aiokafka", "asyncio", "common"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        code: int = asyncio.run(arguments.run(arguments, settings))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `wa dlq list | head`: nobody reads on, and the flush at the end must not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Failed, AppError, KafkaError, TimeoutError, OSError) as error:
        print(f"wa: {sentence(error, settings.kafka_bootstrap_servers)}", file=sys.stderr)
        return error.exit_code if isinstance(error, Failed) else 1
    return code


def sentence(error: Exception, bootstrap: str) -> str:
    """What went wrong, and what to do."""
    if isinstance(error, Unavailable) and isinstance(error.__cause__, MongoError):
        says, mend = mongodb_away(error)
        return f"MongoDB: {says}: {mend}"
    if isinstance(error, Failed | AppError):
        return str(error)
    if isinstance(error, UnknownTopicOrPartitionError):
        return f"a topic is missing at {bootstrap}: create it with `wa topics ensure`"
    if isinstance(error, KafkaError) and not error.retriable and not isinstance(error, _AWAY):
        return f"Kafka at {bootstrap} refuses: {str(error) or type(error).__name__}"
    return (
        f"Kafka at {bootstrap} does not answer ({str(error) or type(error).__name__}):"
        " set KAFKA_BOOTSTRAP_SERVERS or --bootstrap, or try again when it is back"
    )


if __name__ == "__main__":
    sys.exit(main())
