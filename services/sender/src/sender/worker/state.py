"""What the parts of one session share."""

import asyncio
from dataclasses import dataclass, field

from common.contracts import topics
from common.kafka.consume.partition_session import PartitionSession
from common.kafka.wire.partitioner import partition_of
from sender.dispatch.lanes import Lanes
from sender.records.job import Job
from sender.task_supervisor import TaskSupervisor
from sender.worker.commits import Commits


@dataclass(eq=False, slots=True)
class SessionState:
    """`changed` is set when the dispatcher may have something new to do.

    `dated_since` is that of `judge`. `in_doubt` has the lane of each send that is in doubt, and `steps` the tasks of
    the sends that are under way.
    """

    kafka: PartitionSession
    partition: int
    lanes: Lanes[Job]
    commits: Commits
    tasks: TaskSupervisor
    dated_since: float = float("inf")
    in_doubt: dict[str, str] = field(default_factory=dict)
    steps: set[asyncio.Task[None]] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _partitions: int | None = None

    def partitions(self) -> int | None:
        """How many partitions the send topic has; the last answer while Kafka gives none."""
        known = self.kafka.consumer.partitions_for_topic(topics.SEND.name)
        if known:
            self._partitions = len(known)
        return self._partitions

    def owns(self, chatbot_id: str) -> bool:
        """Whether this session has the chatbot's sends. While Kafka's partition count is unknown, it may have any."""
        partitions = self.partitions()
        return not partitions or partition_of(chatbot_id, partitions) == self.partition
