"""Which partition a key belongs to, as Kafka's own clients decide it."""

from aiokafka.partitioner import murmur2


def partition_of(key: str, partitions: int) -> int:
    """The partition of `key` by murmur2, the default of the Java client and of ours (KIP-480 left keyed records alone).

    Other clients have other defaults (librdkafka's is CRC32), so a record may stand elsewhere.
    """
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions
