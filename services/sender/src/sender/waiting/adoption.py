"""Takes over the scheduled sends of partitions that do not exist any more: Kafka was lost, and its topics made anew.

A scheduled send takes its place in its conversation when it is released, so any owner may have it. A parked send has
its place already: an operator puts it back (`wa sends requeue`), before anything later of its conversation is sent.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from common.contracts.send_headers import MESSAGE_ID, REKEYED_FROM
from common.kafka.wire.partitioner import partition_of
from sender.records.job import UnreadableRecord
from sender.retrying import until_available
from sender.waiting.parked_store import ParkStore
from sender.waiting.scheduled_store import Scheduled, ScheduleStore

log = logging.getLogger(__name__)

_AT_ONCE: Final = 500
_EVERY_SECONDS: Final = 60.0


class Adoption:
    """One of all sessions runs it: that of the first partition, which always exists."""

    def __init__(self, scheduled: ScheduleStore, parked: ParkStore) -> None:
        self._scheduled = scheduled
        self._parked = parked

    async def run(self, partitions: Callable[[], int | None]) -> None:
        """Look every minute, until cancelled. `partitions`: how many there are, as far as is known."""
        while True:
            there = partitions()
            if there is not None:
                await until_available(lambda: self.look(there))  # noqa: B023  # awaited here
            await asyncio.sleep(_EVERY_SECONDS)

    async def look(self, partitions: int) -> None:
        """Give each scheduled send beyond these partitions to its chatbot's. Raises `Unavailable`."""
        while found := await self._scheduled.beyond(partitions, _AT_ONCE):
            await self._scheduled.move([moved(send, partitions) for send in found])
            log.warning("took over scheduled sends of partitions that do not exist", extra={"sends": len(found)})
        if await self._parked.has_beyond(partitions):
            log.error("sends are parked in partitions that do not exist: stop sender and run `wa sends requeue`")


def moved(send: Scheduled, partitions: int) -> Scheduled:
    """The send in the partition of its chatbot. Its message id goes along, where its place had given it. Pure."""
    record, job = send.record, send.record.read()
    if isinstance(job, UnreadableRecord):
        return replace(send, record=replace(record, partition=0))  # it becomes a dead letter there
    marker = f"{record.topic}/{record.partition}/{record.offset}"
    headers = {**record.headers, MESSAGE_ID: job.message_id, REKEYED_FROM: marker}
    home = partition_of(job.chatbot_id, partitions)
    return replace(send, record=replace(record, partition=home, headers=headers))
