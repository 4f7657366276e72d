"""A Kafka record as the stores of waiting sends keep it: `send_parked` and `send_scheduled`.

The record is stored as it was read, so loading it is the same as reading it again from Kafka.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.contracts import topics
from sender.records.job import Job, Position, UnreadableRecord
from sender.records.parsing import read_record


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """The record of a waiting send. `dated_at` is the time in its message id (ms since 1970), where it has one."""

    partition: int
    topic: str
    offset: int
    headers: Mapping[str, str]
    value: bytes
    dated_at: int | None = None

    def read(self) -> Job | UnreadableRecord:
        """The send that the record asks for; unreadable only when an older version could read it."""
        position = Position(self.topic, self.partition, self.offset)
        return read_record(
            position, self.value, self.headers, retried=self.topic != topics.SEND.name, dated_at=self.dated_at
        )


def record_of(job: Job, partition: int) -> StoredRecord:
    """The record of a job, in the partition of its session."""
    at = job.position
    return StoredRecord(
        partition=partition,
        topic=at.topic,
        offset=at.offset,
        headers=job.headers,
        value=job.value,
        dated_at=job.dated_at,
    )


def to_document(record: StoredRecord) -> dict[str, Any]:
    """The fields of a record in a document."""
    return {
        "partition": record.partition,
        "topic": record.topic,
        "offset": record.offset,
        # Pairs, because a producer may give a header a name that MongoDB does not allow for a field.
        "headers": [[name, value] for name, value in record.headers.items()],
        "value": record.value,
        **({"datedAt": record.dated_at} if record.dated_at is not None else {}),
    }


def from_document(document: dict[str, Any]) -> StoredRecord:
    """The record in a document."""
    return StoredRecord(
        partition=document["partition"],
        topic=document["topic"],
        offset=document["offset"],
        headers={name: value for name, value in document["headers"]},  # noqa: C416  # pairs are lists here
        value=bytes(document["value"]),
        dated_at=document.get("datedAt"),
    )
