"""Options that several commands share. Pure."""

import argparse
import re
from datetime import UTC, datetime, timedelta
from typing import Final

_AGO: Final = re.compile(r"^(\d{1,6})([smhd])$")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def connection() -> argparse.ArgumentParser:
    """A parent parser with what every command needs to reach Kafka."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--bootstrap",
        metavar="HOST:PORT[,…]",
        help="of the brokers (default: KAFKA_BOOTSTRAP_SERVERS or localhost:9092)",
    )
    return parser


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
