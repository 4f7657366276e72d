"""Which errors of the driver mean that Kafka is away, and how they are logged."""

import logging
from typing import Final

from aiokafka.errors import (
    KafkaTimeoutError,
    KafkaUnavailableError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from common.telemetry.outages import KAFKA

_AWAY: Final = (KafkaTimeoutError, KafkaUnavailableError, TimeoutError, OSError)
_ANSWERS: Final = (UnknownTopicOrPartitionError, TopicAuthorizationFailedError)


def is_away(error: BaseException) -> bool:
    """Whether no broker answered in time. An error in a broker's answer does not count, though it may be retriable."""
    if isinstance(error, _ANSWERS):
        return False
    return isinstance(error, _AWAY) or bool(getattr(error, "retriable", False))


def note_failure(logger: logging.Logger, message: str, error: BaseException, **fields: object) -> None:
    """Log a failure of a client as a warning; within the one line a minute when Kafka is away."""
    fields["error"] = repr(error)
    if is_away(error):
        KAFKA.failed(logger, message, **fields)
    else:
        logger.warning(message, extra=fields)
