"""Patch: a coordinator that reads committed offsets as exactly-once work needs them.

- A top-level error of OffsetFetch is an error, not "no offsets committed". Since version 2 of OffsetFetch (KIP-88) an
  answer may be an error as a whole and list no partitions: NOT_COORDINATOR, for a moment after a broker has come back
  or a group has moved. aiokafka 0.14 looks at the partitions alone, takes that for a group that has never committed,
  and begins at the start of the topic. With the patch it asks again.
- A member of a group reads stable offsets alone (KIP-447), also where aiokafka itself refreshes them after an
  assignment. While a transaction is open that may still change one, it asks again.
- What a member is (its generation and id) is kept as it was when the assignment came.

A reader that only asks how far a group has come, and is no member, reads what is committed now.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer import consumer as aiokafka_consumer
from aiokafka.consumer.group_coordinator import UNKNOWN_OFFSET, GroupCoordinator
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    KafkaError,
    NoError,
    NotCoordinatorForGroupError,
    RebalanceInProgressError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.structs import OffsetAndMetadata

from common.kafka.wire.broker_errors import register_errors
from common.kafka.wire.membership import Membership
from common.kafka.wire.offset_requests import OffsetFetch

Offsets = dict[TopicPartition, OffsetAndMetadata]


class HeedingCoordinator(GroupCoordinator):  # type: ignore[misc]  # aiokafka ships no type information
    """Raises the errors of answers; after one that passes, `fetch_committed_offsets` tries again."""

    joined: Membership | None = None
    """The member when it got its present assignment, and not as aiokafka has it by now."""

    async def _on_join_complete(self, generation: int, member_id: str, protocol: str, assignment: bytes) -> None:
        self.joined = Membership(self.group_id, generation, member_id)
        await super()._on_join_complete(generation, member_id, protocol, assignment)

    async def _do_fetch_commit_offsets(self, partitions: Sequence[TopicPartition]) -> Offsets:
        return await self._fetch(partitions, stable=self._subscription.partitions_auto_assigned())

    async def offsets(self, partitions: Sequence[TopicPartition], *, stable: bool) -> Offsets:
        """The committed offsets and their metadata; a partition without one is left out.

        With `stable` it waits while a transaction is open that may change one of them. Raises `KafkaError`.
        """
        found: Offsets = await self._patiently(lambda: self._fetch(partitions, stable=stable))
        return found

    async def confirm(self, membership: Membership) -> None:
        """Make sure that the group has not gone on without this member. Raises `KafkaError` if it has."""
        await self._patiently(lambda: self._beat(membership))

    async def _patiently(self, ask: Any) -> Any:
        while True:
            await self.ensure_coordinator_known()
            try:
                return await ask()
            except KafkaError as error:
                if not error.retriable:
                    raise
                await asyncio.sleep(self._retry_backoff_ms / 1000)

    async def _fetch(self, partitions: Sequence[TopicPartition], *, stable: bool) -> Offsets:
        answer = await self._send_req(OffsetFetch(self.group_id, list(partitions), stable=stable))
        self._raise(answer.error_code)
        offsets: Offsets = {}
        for topic, rows, _ in answer.topics:
            for partition, offset, _, metadata, code, _ in rows:
                if for_code(code) is UnknownTopicOrPartitionError:
                    continue
                self._raise(code)
                if offset != UNKNOWN_OFFSET:
                    offsets[TopicPartition(topic, partition)] = OffsetAndMetadata(offset, metadata or "")
        return offsets

    async def _beat(self, membership: Membership) -> None:
        request = HeartbeatRequest(membership.group, membership.generation, membership.member_id)
        code = (await self._send_req(request)).error_code
        if for_code(code) is not RebalanceInProgressError:  # the generation is the latest until the next one begins
            self._raise(code)

    def _raise(self, code: int) -> None:
        error = for_code(code)
        if error is NoError:
            return
        if error in (NotCoordinatorForGroupError, GroupCoordinatorNotAvailableError):
            self.coordinator_dead()
        raise error()


def patch_offset_fetch() -> None:
    """Patch every consumer that is started from now on."""
    register_errors()
    aiokafka_consumer.GroupCoordinator = HeedingCoordinator
