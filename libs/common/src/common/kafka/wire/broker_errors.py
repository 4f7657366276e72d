"""Errors of brokers that aiokafka 0.14 does not know, and would take for an unknown error that never passes."""

from typing import Final

from aiokafka import errors
from aiokafka.errors import BrokerResponseError, IllegalGenerationError, ProducerFenced, UnknownMemberIdError


class FencedInstanceIdError(BrokerResponseError):  # type: ignore[misc]  # aiokafka ships no type information
    """Another process has joined the group with our instance id."""

    errno = 82
    message = "FENCED_INSTANCE_ID"
    description = "Another member with the same group instance id has joined."


class UnstableOffsetCommitError(BrokerResponseError):  # type: ignore[misc]  # as above
    """A transaction that is open has a new offset of this partition. It passes when the transaction ends."""

    errno = 88
    message = "UNSTABLE_OFFSET_COMMIT"
    description = "There are unstable offsets that need to be cleared."
    retriable = True


class FencedProducerError(BrokerResponseError, ProducerFenced):  # type: ignore[misc]  # as above
    """A newer producer has our transactional id."""

    errno = 90
    message = "PRODUCER_FENCED"
    description = "There is a newer producer with the same transactional id."


class TransactionAbortableError(BrokerResponseError):  # type: ignore[misc]  # as above
    """The transaction cannot be committed, only aborted."""

    errno = 120
    message = "TRANSACTION_ABORTABLE"
    description = "The server encountered an error that allows the transaction to be aborted only."


REFUSALS: Final = (IllegalGenerationError, UnknownMemberIdError, FencedInstanceIdError)
"""The group has gone on without this member: its partitions have other owners, or will have."""

FENCED: Final = (*REFUSALS, ProducerFenced)
"""Another process works on the partitions, or will soon."""


def register_errors() -> None:
    """Make aiokafka know them."""
    for error in (FencedInstanceIdError, UnstableOffsetCommitError, FencedProducerError, TransactionAbortableError):
        errors.kafka_errors[error.errno] = error
