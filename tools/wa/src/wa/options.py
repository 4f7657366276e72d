"""Options that several commands share. Pure."""

import argparse
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from common.kafka.settings import brokers

_AGO: Final = re.compile(r"^(\d{1,6})([smhd])$")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def connection() -> argparse.ArgumentParser:
    """A parent parser with what every command needs to reach Kafka."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--bootstrap",
        type=_brokers,
        metavar="HOST:PORT[,…]",
        help="of the brokers (default: KAFKA_BOOTSTRAP_SERVERS or localhost:9092)",
    )
    return parser


def add_group(groups: Any, name: str, summary: str, example: str) -> Any:
    """A group of commands; what its commands are added to."""
    group = groups.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    group.epilog = f"example: {example}"
    return group.add_subparsers(dest="verb", required=True, metavar="COMMAND")


def add_command(
    verbs: Any, name: str, summary: str, example: str, *, settings: str = "KAFKA_*"
) -> argparse.ArgumentParser:
    """One command of a group, with an example. `settings` are those it needs; with Kafka's it takes `--bootstrap`."""
    made: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}. Settings: {settings}.",
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[connection()] if "KAFKA_" in settings else [],
    )
    made.set_defaults(bootstrap=None, kafka="KAFKA_" in settings)
    return made


def add_reason(parser: argparse.ArgumentParser, *, because_required: bool = False) -> None:
    """Who does it and why: for the record of what operators have done."""
    parser.add_argument("--by", required=True, type=words, metavar="NAME", help="who does it, for the audit record")
    parser.add_argument(
        "--because", required=because_required, type=words, metavar="TEXT", help="why, for the audit record"
    )


def confirmed(question: str) -> bool:
    """Whether the operator says yes; no, when nobody is there to ask."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def moment(text: str, now: datetime | None = None) -> datetime:
    """`2h` (s, m, h, d) before `now`, or an ISO time; without a zone it is UTC. Raises `ArgumentTypeError`."""
    try:
        if ago := _AGO.match(text):
            return (now or datetime.now(UTC)) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        read = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"`{text}` is neither an ISO time nor like 30m, 2h or 7d") from error
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def count(text: str) -> int:
    """A whole number from 1. Raises `ArgumentTypeError`."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number from 1")
    return int(text)


def words(text: str) -> str:
    """A text that says something, without blanks around it. Raises `ArgumentTypeError`."""
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError("it must not be empty, and on one line")
    return text.strip()


def _brokers(text: str) -> str:
    try:
        return brokers(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
