"""The two clients of a group member that works exactly once.

The consumer knows its place in the group, and the producer commits for that place alone.

Here and in `aiokafka_patch` are the only places that use private parts of aiokafka for this; the test of
`aiokafka_patch` names them, and fails with another version.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.errors import (
    ConcurrentTransactions,
    InvalidProducerEpoch,
    KafkaError,
    NoError,
    ProducerFenced,
    for_code,
)
from aiokafka.producer.sender import Sender, TxnOffsetCommitHandler
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.structs import OffsetAndMetadata

from common.kafka.wire.aiokafka_patch import Offsets
from common.kafka.wire.broker_errors import REFUSALS, register_errors
from common.kafka.wire.compression import CompressingProducer
from common.kafka.wire.membership import Membership
from common.kafka.wire.offset_requests import TxnOffsetCommit

_RETRY_SECONDS: Final = 0.02


class MemberConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka ships no type information
    """A consumer that tells what it is in its group, and what the group has committed."""

    def membership(self) -> Membership:
        """What the member is since its present assignment. To be asked when the assignment comes, and kept."""
        joined: Membership = self._coordinator.joined
        return joined

    async def confirm(self, membership: Membership) -> None:
        """Make sure that the group has not gone on without this member. Raises `KafkaError` if it has."""
        await self._coordinator.confirm(membership)

    async def offsets(self, partitions: Collection[TopicPartition], *, stable: bool) -> Offsets:
        """Committed offsets and their metadata, in one request; a partition without one is left out.

        With `stable` it waits while a transaction is open that may change one of them. Raises `KafkaError`.
        """
        found: Offsets = await self._coordinator.offsets(list(partitions), stable=stable)
        return found


class MemberProducer(CompressingProducer):
    """A transactional producer whose offsets are those of a group member, and are refused once the group has gone on.

    After any error it must be thrown away: aiokafka forgets what an aborted transaction has written.
    """

    def __init__(self, membership: Membership | None, **settings: Any) -> None:
        super().__init__(**settings)
        self._timeout_ms: int = settings["transaction_timeout_ms"]
        self._sender = _MemberSender(
            self.client,
            acks=-1,
            txn_manager=self._txn_manager,
            message_accumulator=self._message_accumulator,
            retry_backoff_ms=settings["retry_backoff_ms"],
            request_timeout_ms=settings["request_timeout_ms"],
        )
        self._sender.membership = membership

    async def end(self, transactional_ids: Iterable[str]) -> None:
        """End the work of the producers with these ids: abort what they have open, and refuse all that they still send.

        A transaction that is about to be committed is committed first. This producer must have been started. Raises
        `KafkaError`.
        """
        for outcome in await asyncio.gather(*map(self._end, transactional_ids), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _end(self, transactional_id: str) -> None:
        request = InitProducerIdRequest(transactional_id, self._timeout_ms)
        while True:
            node = await self.client.coordinator_lookup(CoordinationType.TRANSACTION, transactional_id)
            answer = await self.client.send(node, request, group=ConnectionGroup.COORDINATION)
            error = for_code(answer.error_code)
            if error is NoError:
                return
            if error is not ConcurrentTransactions and not error.retriable:
                raise error()
            await asyncio.sleep(_RETRY_SECONDS)


class _MemberSender(Sender):  # type: ignore[misc]  # as above
    """Commits offsets with the generation of its member."""

    membership: Membership | None = None

    async def _do_txn_offset_commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata], group_id: str) -> None:
        if not offsets:
            return
        if self.membership is None or self.membership.group != group_id:
            raise KafkaError(f"this producer commits no offsets of {group_id}")
        node = await self._find_coordinator(CoordinationType.GROUP, group_id)
        await _MemberCommit(self, offsets, group_id).do(node)


class _MemberCommit(TxnOffsetCommitHandler):  # type: ignore[misc]  # as above
    def create_request(self) -> TxnOffsetCommit:
        manager = self._sender._txn_manager  # noqa: SLF001  # as aiokafka's own handler does it
        producer = manager.producer_id, manager.producer_epoch
        return TxnOffsetCommit(manager.transactional_id, producer, self._sender.membership, self._offsets)

    def handle_response(self, answer: Any) -> float | None:
        codes = {code for _, rows, _ in answer.errors for _, code, _ in rows}
        for error in map(for_code, codes):
            if error in REFUSALS:
                # Only the waiting commit fails. aiokafka's way, `error_transaction`, forgets the partitions of the
                # transaction, so that the abort would send nothing and leave it open.
                _, _, waiting = self._sender._txn_manager._pending_txn_offsets.popleft()  # noqa: SLF001  # see above
                waiting.set_exception(error(self._group_id))
                return None
            if issubclass(error, (ProducerFenced, InvalidProducerEpoch)):
                raise ProducerFenced
        answer.errors = [(topic, [(row[0], row[1]) for row in rows]) for topic, rows, _ in answer.errors]
        backoff: float | None = super().handle_response(answer)
        return backoff


register_errors()
