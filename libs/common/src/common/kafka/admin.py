"""Creating and checking topics: `python -m common.kafka.admin ensure`.

Nothing auto-creates a topic: a misspelt name would become a topic with one partition and one copy.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from common.contracts import topics
from common.kafka.clients import connection
from common.kafka.errors import note_failure
from common.kafka.settings import KafkaSettings
from common.kafka.topic_creation import IN_SYNC, create
from common.settings import read_settings

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.05
# How long one broker may take: one that hangs, with its connections open, must not keep the others from being asked.
_LOOKING_MS = 3_000
_CHANGING_MS = 10_000
_LIMIT = "max.message.bytes"
_RETENTION, _SEGMENT = "retention.ms", "segment.ms"
_CLEANUP, _COMPACT = "cleanup.policy", "compact"
_ENTRIES = (_LIMIT, IN_SYNC, _RETENTION, _SEGMENT, _CLEANUP)


async def ensure_topics(
    settings: KafkaSettings,
    wanted: Iterable[topics.Topic] = topics.ALL,
    *,
    partitions: int | None = None,
    replication: int = 1,
    wait_seconds: float = 30.0,
) -> list[str]:
    """Create the topics that are missing and wait until each has its leaders; the names created.

    `partitions` overrides the declared count (of topics that have more than one). Existing topics are left alone.
    Raises `TimeoutError` when the brokers or the leaders do not come in time, `KafkaError` when they refuse.
    """
    wanted = tuple(wanted)
    async with asyncio.timeout(wait_seconds):
        admin = await _connect(settings, _CHANGING_MS)
        try:
            existing = set(await admin.list_topics())
            missing = [topic for topic in wanted if topic.name not in existing]
            await create(admin, missing, partitions, replication)
            while not await _led(admin, {topic.name for topic in wanted}):
                await asyncio.sleep(_POLL_SECONDS)
        finally:
            await admin.close()
    return [topic.name for topic in missing]


@dataclass(frozen=True, slots=True)
class Described:
    """A topic as it stands: `copies` are the fewest of any partition, `led` whether all have a leader.

    `min_in_sync` is on how many brokers a record has to be before it is acknowledged; `retention_ms` and `segment_ms`
    are how long records stay together (-1: for ever); `compacted` whether the last record of a key stays for good. What
    the brokers do not let this user see is None.
    """

    partitions: int
    copies: int
    led: bool
    max_message_bytes: int | None = None
    min_in_sync: int | None = None
    retention_ms: int | None = None
    segment_ms: int | None = None
    compacted: bool | None = None


async def describe_topics(settings: KafkaSettings, *, wait_seconds: float = 12.0) -> dict[str, Described]:
    """Every topic of the cluster by name. Raises `TimeoutError` when no broker answers in time, or `KafkaError`."""
    async with asyncio.timeout(wait_seconds):
        while True:
            admin = await _connect(settings, _LOOKING_MS)
            try:
                return await _describe(admin)
            except KafkaError as error:
                if not error.retriable:
                    raise
                await asyncio.sleep(_POLL_SECONDS)
            finally:
                await admin.close()


async def _describe(admin: AIOKafkaAdminClient) -> dict[str, Described]:
    described = [topic for topic in await admin.describe_topics() if topic["error_code"] == 0]
    configs = await _configs(admin, [topic["topic"] for topic in described])
    return {topic["topic"]: _described(topic, configs.get(topic["topic"], {})) for topic in described}


def _described(topic: dict[str, Any], config: Mapping[str, str | None]) -> Described:
    partitions = topic["partitions"]
    return Described(
        partitions=len(partitions),
        copies=min((len(partition["replicas"]) for partition in partitions), default=0),
        led=all(partition["error_code"] == 0 and partition["leader"] >= 0 for partition in partitions),
        max_message_bytes=_number(config.get(_LIMIT)),
        min_in_sync=_number(config.get(IN_SYNC)),
        retention_ms=_number(config.get(_RETENTION)),
        segment_ms=_number(config.get(_SEGMENT)),
        compacted=_COMPACT in policy if (policy := config.get(_CLEANUP)) else None,
    )


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str | None]]:
    """The entries that are of interest, by topic. Where the brokers refuse to tell, there are none."""
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(_ENTRIES, "")) for name in names]
    found: dict[str, dict[str, str | None]] = {}
    try:
        responses = await admin.describe_configs(wanted) if wanted else ()
    except KafkaError as error:
        if error.retriable:
            raise
        return found
    for response in responses:
        for resource in response.resources:
            name, entries = resource[3], resource[4]
            found[name] = {entry[0]: entry[1] for entry in entries if entry[0] in _ENTRIES}
    return found


def _number(value: str | None) -> int | None:
    return int(value) if value else None


async def _connect(settings: KafkaSettings, request_timeout_ms: int) -> AIOKafkaAdminClient:
    while True:
        admin = AIOKafkaAdminClient(**connection(settings), request_timeout_ms=request_timeout_ms)
        try:
            await admin.start()
        except KafkaError as error:
            note_failure(log, "Kafka is away, trying again", error)
            await admin.close()
            await asyncio.sleep(_POLL_SECONDS * 10)
        else:
            return admin


async def _led(admin: AIOKafkaAdminClient, names: set[str]) -> bool:
    described = await admin.describe_topics(sorted(names))
    return all(
        topic["error_code"] == 0
        and topic["partitions"]
        and all(p["error_code"] == 0 and p["leader"] >= 0 for p in topic["partitions"])
        for topic in described
    )


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m common.kafka.admin", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="print every declared topic with its key and owner")
    ensure = verbs.add_parser("ensure", help="create what is missing and wait for the leaders")
    ensure.add_argument("--partitions", type=int, help="instead of the declared count (default: as declared)")
    ensure.add_argument("--replication", type=int, default=3, help="copies of each partition (default: 3)")
    ensure.add_argument("--wait", type=float, default=30.0, help="seconds to wait for Kafka (default: 30)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    arguments = _arguments(sys.argv[1:] if argv is None else argv)
    if arguments.verb == "list":
        for topic in topics.ALL:
            print(f"{topic.name:32} {topic.partitions:3} partitions  owner {topic.owner:14} key: {topic.key}")  # noqa: T201  # its output
        return 0
    settings = read_settings("common.kafka.admin", KafkaSettings)
    if settings is None:
        return 2
    try:
        created = asyncio.run(
            ensure_topics(
                settings,
                partitions=arguments.partitions,
                replication=arguments.replication,
                wait_seconds=arguments.wait,
            )
        )
    except TimeoutError:
        print(f"Kafka at {settings.kafka_bootstrap_servers} did not answer in time", file=sys.stderr)  # noqa: T201  # its output
        return 1
    except KafkaError as error:
        print(f"Kafka at {settings.kafka_bootstrap_servers} refuses: {error}", file=sys.stderr)  # noqa: T201  # its output
        return 1
    print(f"created {len(created)} topics" + "".join(f"\n  {name}" for name in created))  # noqa: T201  # its output
    return 0


if __name__ == "__main__":
    sys.exit(main())
