"""How a request goes on in another record: moved, released, retried or as a dead letter. Pure."""

from dataclasses import replace
from datetime import datetime

from common.contracts.send_headers import (
    ATTEMPTS,
    FIRST_FAILED_AT,
    MESSAGE_ID,
    ORIGIN_OFFSET,
    ORIGIN_PARTITION,
    ORIGIN_TOPIC,
    REKEYED_FROM,
    RELEASED_FROM,
    REPLAY,
)
from common.kafka.records import Outgoing
from sender.records.job import Job, Position


def rekeyed(job: Job, home: int) -> Outgoing:
    """The record of a request whose key was not its chatbot, for the partition of its chatbot."""
    return _moved(job, REKEYED_FROM, home)


def released(job: Job) -> Outgoing:
    """The record of a scheduled request that is due, in the partition where it stood.

    Where the number of partitions has changed since, it is moved to its chatbot's once more.
    """
    headers = {name: text for name, text in job.headers.items() if name != REKEYED_FROM}
    return _moved(replace(job, headers=headers), RELEASED_FROM, job.position.partition)


def _moved(job: Job, marker: str, partition: int) -> Outgoing:
    """The same request at another position.

    Its value stays as it is. A header carries the `messageId` that its first position gave it, so that reading the new
    record is the same send.
    """
    at = job.position
    headers = {**job.headers, MESSAGE_ID: job.message_id, marker: f"{at.topic}/{at.partition}/{at.offset}"}
    pairs = [(name, text.encode()) for name, text in headers.items()]
    return Outgoing(at.topic, job.chatbot_id, job.value, pairs, partition=partition)


def headers_of(job: Job, *, attempts: int, first_failed_at: datetime | None) -> dict[str, str]:
    """The headers of a retry or dead-letter record."""
    first = first_failed_at.isoformat() if first_failed_at else job.first_failed_at
    return {
        MESSAGE_ID: job.message_id,
        ATTEMPTS: str(attempts),
        **({REPLAY: str(job.replay)} if job.replay else {}),
        **origin_headers(job.origin),
        **({FIRST_FAILED_AT: first} if first else {}),
    }


def origin_headers(origin: Position) -> dict[str, str]:
    """The first position of the request."""
    return {
        ORIGIN_TOPIC: origin.topic,
        ORIGIN_PARTITION: str(origin.partition),
        ORIGIN_OFFSET: str(origin.offset),
    }
