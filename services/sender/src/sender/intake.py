"""From a consumed record to what it asks for: a send, or a record in its place. Pure."""

from datetime import datetime
from typing import Any

from common.contracts import topics
from common.kafka.partitioner import partition_of
from common.kafka.records import Outgoing, read_headers
from sender import results
from sender.lane import Item
from sender.requests import REKEYED_FROM, Job, Letter, Position, read_record, rekeyed


def judge(tp: Any, record: Any, *, partitions: int | None, now: datetime) -> Item[Job] | Outgoing:
    """The send that a record of partition `tp` asks for, or the record to write instead of it.

    That is a dead letter for what cannot be understood, and for what its producer keyed by something else than the
    chatbot (one of `partitions`) the same request in the chatbot's own partition. A record is moved once: if the count
    of partitions changes meanwhile, it stays where it was moved to. While the count is not known, nothing is moved.
    """
    retried = tp.topic != topics.SEND.name
    position = Position(tp.topic, tp.partition, record.offset)
    job = read_record(position, record.value, read_headers(record.headers), retried=retried)
    if isinstance(job, Letter):
        return results.dead_record(job, now)
    home = partition_of(job.chatbot_id, partitions) if partitions else tp.partition
    if home != tp.partition and not retried and REKEYED_FROM not in job.headers:
        return rekeyed(job, home)
    return Item(
        id=job.item_id,
        lane=job.lane,
        group=job.chatbot_id,
        order=job.origin.offset,
        attempt=job.attempts,
        partition=tp,
        offset=record.offset,
        payload=job,
        due=job.due,
    )
