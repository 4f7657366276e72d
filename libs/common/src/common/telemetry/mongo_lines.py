"""Lines of the log about MongoDB being away, kept within the limit of its outage.

Each user of MongoDB logs what its failure led to, and tries again. So one outage would be two lines for each try of
each task, and a stack trace for each session. This looks at the error that a line is about.
"""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Final

from common.telemetry.outages import Outage, Repetitions

UNAVAILABLE: Final = "MongoDB is unavailable; try again"
"""What callers and the log are told of every failure of MongoDB (`common.mongo.or_unavailable`)."""
UNAVAILABLE_CODE: Final = "mongo_unavailable"

_OURS: Final = "common.mongo"
_DRIVER: Final = "pymongo."
_LOST: Final = "ConnectionFailure"
"""The driver's class of errors without an answer (`pymongo.errors`), by name because only `common.mongo` imports it."""


class MongoLines(logging.Filter):
    """Keeps warnings about MongoDB being away within the limit of `outage`.

    An error without MongoDB's answer begins the outage. What follows from a failure shares its limit; when MongoDB did
    answer, and refused an operation, each sentence is kept to one a minute.
    """

    def __init__(self, outage: Outage, *, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._outage = outage
        self._repetitions = Repetitions(now)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is logged; one that is says how many were not."""
        if record.levelno < logging.WARNING or hasattr(record, "left_out"):
            return True
        errors = list(_errors_in(record.exc_info[1] if record.exc_info else None))
        if any(map(is_lost, errors)):
            self._outage.lost()
            left_out = self._outage.line()
        elif not _follows(record, errors):
            return True
        else:
            left_out = self._outage.line() if self._outage.troubled else self._repetitions.line(record)
        record.left_out = left_out
        return left_out is not None


def is_lost(error: BaseException) -> bool:
    """Whether it is an error of the driver without MongoDB's answer."""
    return any(kind.__name__ == _LOST and kind.__module__.startswith(_DRIVER) for kind in type(error).__mro__)


def _follows(record: logging.LogRecord, errors: list[BaseException]) -> bool:
    if record.name.startswith(_OURS) or getattr(record, "error", None) == UNAVAILABLE:
        return True
    return any(getattr(error, "error_code", None) == UNAVAILABLE_CODE for error in errors)


def _errors_in(error: BaseException | None) -> Iterator[BaseException]:
    """An error with its causes, and those in a group."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from _errors_in(each)
        error = error.__cause__
