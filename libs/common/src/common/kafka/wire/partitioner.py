"""Which partition a key belongs to, as Kafka's own clients decide it."""

from collections.abc import Sequence
from functools import lru_cache

from aiokafka.partitioner import murmur2 as _murmur2


@lru_cache(maxsize=100_000)
def murmur2(key: bytes) -> int:
    """Kafka's hash of a key; cached, because it is computed in Python and the same people write again."""
    return int(_murmur2(key) & 0x7FFFFFFF)


def partition_of(key: str, partitions: int) -> int:
    """The partition of `key` by murmur2, the default of the Java client and of ours (KIP-480 left keyed records alone).

    Other clients have other defaults (librdkafka's is CRC32), so a record may stand elsewhere.
    """
    return murmur2(key.encode()) % partitions


def partitioner(key: bytes | None, all_partitions: Sequence[int], _available: Sequence[int]) -> int:
    """Our producers' choice for a record: that of `partition_of`. Every record of ours has a key."""
    return all_partitions[murmur2(key or b"") % len(all_partitions)]
