"""Records of callers that wait, by partition: while a batch of a partition is written, its next one fills.

Partitions do not wait for one another, so a broker that is away delays what it leads and nothing else.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiokafka.errors import KafkaError

from common.kafka.produce.batches import batches_of
from common.kafka.records import Outgoing
from common.kafka.wire.compression import CompressingProducer


class Call:
    """One caller and how many of its records have yet to be acknowledged. `told` is done when none has, or one failed.

    `deadline` is a time of the loop's clock.
    """

    __slots__ = ("_left", "deadline", "told")

    def __init__(self, loop: asyncio.AbstractEventLoop, records: int, deadline: float) -> None:
        self.told: asyncio.Future[None] = loop.create_future()
        self.deadline = deadline
        self._left = records

    def settle(self, error: Exception | None) -> None:
        """One of the records is acknowledged, or not."""
        self._left -= 1
        if self.told.done():
            return
        if error is not None:
            self.told.set_exception(error)
        elif self._left == 0:
            self.told.set_result(None)


@dataclass(slots=True)
class _Entry:
    record: Outgoing
    call: Call


class PartitionQueue:
    """What waits to be written to one partition. It calls `ready` when records wait and none are being written.

    `ready` answers with `begin`: at once, or a little later with other partitions, so that their batches share one
    request to the broker. It calls `refused` when the broker refuses a batch for good.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        producer: CompressingProducer,
        topic: str,
        partition: int,
        ready: "Callable[[PartitionQueue], None] | None" = None,
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._loop = loop
        self._producer = producer
        self._topic = topic
        self._partition = partition
        self._ready = ready or PartitionQueue.begin
        self._refused = refused
        self._waiting: list[_Entry] = []
        self._told = False
        self._writing: asyncio.Task[None] | None = None

    def add(self, record: Outgoing, call: Call) -> None:
        """Queue a record behind those that were added before."""
        self._waiting.append(_Entry(record, call))
        if not self._told and self._writing is None:
            self._told = True
            self._ready(self)

    def begin(self) -> None:
        """Write what waits."""
        self._told = False
        waiting, self._waiting = self._waiting, []
        # A record must not be written after its caller got an error, or has gone.
        group = [entry for entry in waiting if not entry.call.told.done()]
        if group:
            self._writing = self._loop.create_task(self._write(group), name=f"write {self._topic}")

    async def _write(self, group: Sequence[_Entry]) -> None:
        left = group
        try:
            for batch, count in batches_of(self._producer, [entry.record for entry in group]):
                _settle(left[:count], await self._confirmed(batch, left[:count]))
                left = left[count:]
        except Exception as error:  # noqa: BLE001  # whatever it is, no caller may wait for ever: all of them get it
            _settle(left, error)
        self._writing = None
        if self._waiting:
            self._told = True
            self._ready(self)

    async def _confirmed(self, batch: object, entries: Sequence[_Entry]) -> Exception | None:
        try:
            # Waits at most the producer's own time for an older batch to go out.
            confirmation = await self._producer.send_batch(batch, self._topic, partition=self._partition)
        except KafkaError as error:
            unsent: Exception = error
            return unsent
        timer = self._loop.call_at(max(entry.call.deadline for entry in entries), confirmation.cancel)
        try:
            await confirmation
        except KafkaError as error:
            if not error.retriable:
                self._refused()
            refused: Exception = error
            return refused
        except asyncio.CancelledError:
            if _we_are_cancelled():
                raise
            return TimeoutError(f"{self._topic} was not confirmed in time")
        finally:
            timer.cancel()
        return None


def _we_are_cancelled() -> bool:
    """Whether this task was cancelled, and not the future that it waited for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _settle(entries: Sequence[_Entry], error: Exception | None) -> None:
    for entry in entries:
        entry.call.settle(error)
