"""The two requests that fence by generation and read stable offsets (KIP-447), which aiokafka 0.14 does not have.

TxnOffsetCommit has a member's generation since version 3, OffsetFetch asks for stable offsets since version 7. There is
no older version here: a broker that has only those is refused (`IncompatibleBrokerVersion`), because an older request
would drop the fence without a word.

Sources: https://kafka.apache.org/protocol and Kafka's `TxnOffsetCommitRequest.json`, `OffsetFetchRequest.json`.
"""

from collections.abc import Mapping, Sequence

from aiokafka import TopicPartition
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)
from aiokafka.structs import OffsetAndMetadata

from common.kafka.wire.membership import Membership

_TEXT = CompactString("utf-8")
_TAGS = ("tags", TaggedFields)
_NO_EPOCH = -1  # of the partition's leader, which nothing here checks


class TxnOffsetCommitAnswer(Response):  # type: ignore[misc]  # aiokafka ships no type information
    """Error codes by partition."""

    API_KEY = 28
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "errors",
            CompactArray(
                ("topic", _TEXT),
                ("partitions", CompactArray(("partition", Int32), ("error_code", Int16), _TAGS)),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class TxnOffsetCommitV3(RequestStruct):  # type: ignore[misc]  # as above
    """Offsets of a transaction, by a producer and a member of the group."""

    API_KEY = 28
    API_VERSION = 3
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = TxnOffsetCommitAnswer
    SCHEMA = Schema(
        ("transactional_id", _TEXT),
        ("group_id", _TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("generation_id", Int32),
        ("member_id", _TEXT),
        ("group_instance_id", _TEXT),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32), ("offset", Int64), ("leader_epoch", Int32), ("metadata", _TEXT), _TAGS
                    ),
                ),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class OffsetFetchAnswer(Response):  # type: ignore[misc]  # as above
    """Offsets by partition, and an error of the answer as a whole."""

    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", _TEXT),
                        ("error_code", Int16),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        ("error_code", Int16),
        _TAGS,
    )


class OffsetFetchV7(RequestStruct):  # type: ignore[misc]  # as above
    """Offsets of a group; with `require_stable` a partition with a pending one is answered with an error."""

    API_KEY = 9
    API_VERSION = 7
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = OffsetFetchAnswer
    SCHEMA = Schema(
        ("group_id", _TEXT),
        ("topics", CompactArray(("topic", _TEXT), ("partitions", CompactArray(Int32)), _TAGS)),
        ("require_stable", Boolean),
        _TAGS,
    )


def _offered(struct: type[RequestStruct], versions: Mapping[int, tuple[int, int]]) -> type[RequestStruct]:
    """This version, if the broker has it; else raises `IncompatibleBrokerVersion`."""
    lowest, highest = versions.get(struct.API_KEY, (0, -1))
    if not lowest <= struct.API_VERSION <= highest:
        raise IncompatibleBrokerVersion(
            f"the broker does not offer {struct.__name__}; Apache Kafka has it since 2.5, and without it a process that"
            " was stopped could commit over its successor"
        )
    return struct


class TxnOffsetCommit(Request[TxnOffsetCommitV3]):  # type: ignore[misc]  # as above
    """Commit offsets within a producer's transaction, as the member of a group that `membership` says."""

    API_KEY = 28

    def __init__(
        self,
        transactional_id: str,
        producer: tuple[int, int],
        membership: Membership,
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
    ) -> None:
        self._head = (transactional_id, membership.group, *producer, membership.generation, membership.member_id, None)
        self._topics: list[object] = [
            (topic, [(tp.partition, offsets[tp].offset, _NO_EPOCH, offsets[tp].metadata, {}) for tp in tps], {})
            for topic, tps in _by_topic(sorted(offsets)).items()
        ]

    def prepare(self, versions: dict[int, tuple[int, int]]) -> RequestStruct:
        """The request for a broker with these versions. Raises `IncompatibleBrokerVersion`."""
        return self.build(_offered(TxnOffsetCommitV3, versions))

    def build(self, request_struct_class: type[RequestStruct]) -> RequestStruct:
        """The request's fields."""
        return request_struct_class(*self._head, self._topics, {})


class OffsetFetch(Request[OffsetFetchV7]):  # type: ignore[misc]  # as above
    """Read a group's offsets. `stable`: not while a transaction has a new one that may still come to count."""

    API_KEY = 9

    def __init__(self, group: str, partitions: Sequence[TopicPartition], *, stable: bool) -> None:
        self._group = group
        self._stable = stable
        self._topics: list[object] = [
            (topic, [tp.partition for tp in tps], {}) for topic, tps in _by_topic(sorted(partitions)).items()
        ]

    def prepare(self, versions: dict[int, tuple[int, int]]) -> RequestStruct:
        """The request for a broker with these versions. Raises `IncompatibleBrokerVersion`."""
        return self.build(_offered(OffsetFetchV7, versions))

    def build(self, request_struct_class: type[RequestStruct]) -> RequestStruct:
        """The request's fields."""
        return request_struct_class(self._group, self._topics, self._stable, {})


def _by_topic(partitions: Sequence[TopicPartition]) -> dict[str, list[TopicPartition]]:
    found: dict[str, list[TopicPartition]] = {}
    for tp in partitions:
        found.setdefault(tp.topic, []).append(tp)
    return found
