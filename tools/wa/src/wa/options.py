"""Options that several commands share. Pure."""

import argparse
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from common.kafka.settings import brokers

_AGO: Final = re.compile(r"^(\d{1,6})([smhd])$")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def connection() -> argparse.ArgumentParser:
    """A parent parser with the options that every command needs to reach Kafka."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--bootstrap",
        type=_brokers,
        metavar="HOST:PORT[,…]",
        help="address of the brokers (default: KAFKA_BOOTSTRAP_SERVERS or localhost:9092)",
    )
    return parser


def add_group(groups: Any, name: str, summary: str, example: str) -> Any:
    """A group of commands. Returns the object to which its commands are added."""
    group = groups.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    group.epilog = f"example: {example}"
    return group.add_subparsers(dest="verb", required=True, metavar="COMMAND")


def add_command(
    verbs: Any, name: str, summary: str, example: str, *, settings: str = "KAFKA_*"
) -> argparse.ArgumentParser:
    """One command of a group, with an example. `settings` names those it needs; Kafka's bring `--bootstrap`."""
    made: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.\n\nSettings: {settings}",
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[connection()] if "KAFKA_" in settings else [],
    )
    made.set_defaults(bootstrap=None, kafka="KAFKA_" in settings)
    return made


def add_reason(parser: argparse.ArgumentParser, *, because_required: bool = False) -> None:
    """The options for who acts and why. The audit record keeps both."""
    parser.add_argument("--by", required=True, type=words, metavar="NAME", help="your name, for the audit record")
    parser.add_argument(
        "--because", required=because_required, type=words, metavar="TEXT", help="the reason, for the audit record"
    )


def confirmed(question: str) -> bool:
    """Whether the operator says yes. Without a terminal the answer is no."""
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
        raise argparse.ArgumentTypeError(f"`{text}` is not a time: use an ISO time, or 30m, 2h or 7d") from error
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def day(text: str) -> date:
    """A day, YYYY-MM-DD. Raises `ArgumentTypeError`."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"`{text}` is not a day: use YYYY-MM-DD") from error


def count(text: str) -> int:
    """A whole number of at least 1. Raises `ArgumentTypeError`."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number of at least 1")
    return int(text)


def words(text: str) -> str:
    """A text on one line that is not empty, without blanks around it. Raises `ArgumentTypeError`."""
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError("it must be one line, and not empty")
    return text.strip()


def _brokers(text: str) -> str:
    try:
        return brokers(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
