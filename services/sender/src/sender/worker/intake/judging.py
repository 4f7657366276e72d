"""From a consumed record to what it asks for: a send, or another record to write instead. Pure."""

from datetime import datetime
from typing import Any

from common.contracts import topics
from common.contracts.send_headers import REKEYED_FROM
from common.kafka.records import Outgoing, read_headers
from common.kafka.wire.partitioner import partition_of
from common.kafka.wire.unreadable import Unreadable
from sender.delivery import results
from sender.dispatch.items import item_of
from sender.dispatch.model import Item
from sender.records.job import Job, Position, UnreadableRecord
from sender.records.onward import rekeyed
from sender.records.parsing import read_record, unreadable


def judge(
    tp: Any,
    record: Any,
    *,
    partitions: int | None,
    now: datetime,
    sampled: bool = False,
    dated_since: float = float("inf"),
) -> Item[Job] | Job | Outgoing:
    """What a record of partition `tp` asks for: a send now (`Item`) or later (`Job`), or a record to write instead.

    - A record that cannot be read or parsed becomes a dead letter.
    - A record whose producer did not use the chatbot as its key is written again to the chatbot's own partition. A
      record is moved only once: it stays there if the number of `partitions` changes. Nothing is moved while that
      number is unknown.

    `sampled` says whether the trace of a send that begins here is recorded. A record that was written after
    `dated_since` (Unix seconds) has its time in the message id that its place gives.
    """
    retried = tp.topic != topics.SEND.name
    position = Position(tp.topic, tp.partition, record.offset)
    if isinstance(record, Unreadable):
        return results.dead_record(unreadable(position, record.value or b"", record.reason), now)
    job = read_record(
        position,
        record.value,
        read_headers(record.headers),
        retried=retried,
        sampled=sampled,
        written_at=record.timestamp / 1000,
        dated_at=record.timestamp if record.timestamp / 1000 >= dated_since else None,
    )
    if isinstance(job, UnreadableRecord):
        return results.dead_record(job, now)
    home = partition_of(job.chatbot_id, partitions) if partitions else tp.partition
    if home != tp.partition and not retried and REKEYED_FROM not in job.headers:
        return rekeyed(job, home)
    if job.send_at > now.timestamp() and not retried:
        return job
    return item_of(job, order=job.origin.offset, partition=tp, due=job.due)
