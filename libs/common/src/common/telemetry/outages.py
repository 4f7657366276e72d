"""While Kafka or MongoDB is away: one line a minute for the whole process, and one when it is back.

Every client of a process tries again and again, and the driver logs each attempt, so that an outage would fill the log
and hide what else happens. `KAFKA` and `MONGODB` are the process's one record of it: our clients report failures and
successes, and `KafkaLines` (`MongoLines` in `mongo_lines.py`) keeps other lines about it within the same limit.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

log = logging.getLogger(__name__)

_EVERY_SECONDS: Final = 60.0
_REMEMBERED: Final = 1_000
_TIMED_OUT: Final = 7  # the one code that the driver uses by itself, too
_SAYS: Final = "Kafka is away, or one of its brokers: %s%s"
_DRIVER: Final = "aiokafka"
_LIMITED: Final = (_DRIVER, "common.kafka")
_CONNECTIONS: Final = frozenset({"aiokafka", "aiokafka.conn"})
"""Loggers of the driver (its client and its connections) that complain of nothing but brokers that do not answer."""


class Outage:
    """When the broker was lost, and which lines about it the log gets.

    **Invariants:** at most one line in sixty seconds. `back` says something only after a line that was logged.
    `now` is a monotonic clock in seconds.
    """

    def __init__(self, name: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._now = now
        self._since: float | None = None
        self._line_at = self._trouble_at = float("-inf")
        self._left_out = 0
        self._told = False
        self.place = ""
        """What does not answer, and the variable that says so: every line ends with it. Empty: not known."""

    @property
    def hint(self) -> str:
        """The end of a line about the outage: where nothing answers, and what to check."""
        return f"; no answer from {self.place}" if self.place else ""

    @property
    def away(self) -> bool:
        """Whether a client has failed, and none has succeeded since."""
        return self._since is not None

    @property
    def troubled(self) -> bool:
        """Whether it is away, or one of its connections failed within the last minute."""
        return self.away or self._now() - self._trouble_at < _EVERY_SECONDS

    def failed(self, logger: logging.Logger, message: str, **fields: object) -> None:
        """A client has failed. Logs `message` as a warning with `fields`, unless there was a line within a minute."""
        self.lost()
        left_out = self.line()
        if left_out is not None:
            logger.warning("%s%s", message, self.hint, extra={**fields, "left_out": left_out})

    def lost(self) -> None:
        """Nothing answered just now. Logs nothing; `back` will say when that is over."""
        if self._since is None:
            self._since = self._now()

    def line(self) -> int | None:
        """Take the minute's line: how many were left out before it; None when this one is to be left out, too."""
        now = self._trouble_at = self._now()
        if now - self._line_at < _EVERY_SECONDS:
            self._left_out += 1
            return None
        left_out, self._left_out = self._left_out, 0
        self._line_at, self._told = now, True
        return left_out

    def back(self) -> None:
        """A client has succeeded. Costs nothing while all is well."""
        if self._since is None:
            return
        seconds, self._since = self._now() - self._since, None
        self._trouble_at = float("-inf")
        if self._told:
            self._told = False
            log.info("%s answers again", self._name, extra={"away_seconds": round(seconds, 1)})


class Repetitions:
    """Lines that say the same, which are kept to one a minute. `now` is a monotonic clock in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._said: dict[tuple[object, ...], tuple[float, int]] = {}

    def line(self, record: logging.LogRecord) -> int | None:
        """Take the line: how many of its like were left out before it; None when it is to be left out, too."""
        about = (record.name, record.getMessage(), getattr(record, "topic", None), getattr(record, "error", None))
        now = self._now()
        said_at, left_out = self._said.get(about, (float("-inf"), 0))
        if now - said_at < _EVERY_SECONDS:
            self._said[about] = said_at, left_out + 1
            return None
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said[about] = now, 0
        return left_out


class KafkaLines(logging.Filter):
    """Keeps what the driver says of lost connections within the limit of `outage`, and repetitions to one a minute.

    A repetition is a warning of the driver or of our clients that says the same about the same topic.
    """

    def __init__(self, outage: Outage, *, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._outage = outage
        self._repetitions = Repetitions(now)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is logged; one that is says how many were not."""
        if record.levelno < logging.WARNING or not record.name.startswith(_LIMITED) or hasattr(record, "left_out"):
            return True
        connections = record.name.startswith(_DRIVER) and speaks_of_connections(record)
        if connections or (record.name.startswith(_DRIVER) and self._outage.troubled):
            left_out = self._outage.line()
        else:
            left_out = self._repetitions.line(record)
        if connections and left_out is not None:
            record.msg, record.args = _SAYS, (record.getMessage(), self._outage.hint)
        record.left_out = left_out
        return left_out is not None


def speaks_of_connections(record: logging.LogRecord) -> bool:
    """Whether a line of the driver is about a broker that does not answer, by its logger or by the error in it."""
    found = record.args.values() if isinstance(record.args, Mapping) else record.args or ()
    return record.name in _CONNECTIONS or any(map(_no_answer, found))


def _no_answer(value: object) -> bool:
    """Whether it is an error of the driver without a broker's answer: an answer has a code, `errno` (0 to n)."""
    if isinstance(value, OSError):
        return True
    code = getattr(value, "errno", None)
    return isinstance(value, Exception) and bool(getattr(value, "retriable", False)) and code in (None, _TIMED_OUT)


KAFKA: Final = Outage("Kafka")
MONGODB: Final = Outage("MongoDB")
