"""Creating topics, also on brokers that do not take every setting, and saying what stops it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    InvalidConfigurationError,
    InvalidReplicationFactorError,
    KafkaError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
)

from common.contracts.topics import Topic

IN_SYNC: Final = "min.insync.replicas"
SAFE_COPIES: Final = 3
SAFE_IN_SYNC: Final = 2

_DISPENSABLE: Final = frozenset({IN_SYNC, "segment.ms", "min.cleanable.dirty.ratio"})
"""Managed brokers may refuse these. Without them a topic works, and `wa topics check` says what differs."""

_PICKY: Final = frozenset({InvalidConfigurationError.errno, PolicyViolationError.errno})
_THERE: Final = frozenset({0, TopicAlreadyExistsError.errno})  # another process was faster, which is as good

_REMEDIES: Final[Mapping[int, str]] = MappingProxyType(
    {
        InvalidReplicationFactorError.errno: "give --replication: it cannot be more than there are brokers",
        InvalidConfigurationError.errno: "create it as the provider allows; `wa topics list --json` has what it needs",
        PolicyViolationError.errno: "create it as the provider allows; `wa topics list --json` has what it needs",
        TopicAuthorizationFailedError.errno: "this user needs the right CREATE of the topic or of the cluster",
    }
)


def config_of(topic: Topic, replication: int) -> dict[str, str]:
    """The entries with which a topic is created. Pure.

    With three copies a record is acknowledged once two brokers have it, so no single broker can lose it.
    """
    return topic.config() | ({IN_SYNC: str(SAFE_IN_SYNC)} if replication >= SAFE_COPIES else {})


def without_dispensable(config: Mapping[str, str]) -> dict[str, str]:
    """The entries without which the topic does not work. Pure."""
    return {name: value for name, value in config.items() if name not in _DISPENSABLE}


async def create(
    admin: AIOKafkaAdminClient, missing: Sequence[Topic], partitions: int | None, replication: int
) -> None:
    """Create these topics. Those whose settings are refused are tried again with the settings that they need.

    Raises `KafkaError` with all that are refused for good, and why.
    """
    wanted = {topic.name: config_of(topic, replication) for topic in missing}
    refused = await _request(admin, missing, wanted, partitions, replication)
    picky = [topic for topic in missing if refused.get(topic.name, (0, ""))[0] in _PICKY]
    if picky:
        needed = {topic.name: without_dispensable(wanted[topic.name]) for topic in picky}
        again = await _request(admin, picky, needed, partitions, replication)
        refused = {name: why for name, why in refused.items() if name not in needed} | again
    if refused:
        raise KafkaError(_sentences(refused))


async def _request(
    admin: AIOKafkaAdminClient,
    missing: Sequence[Topic],
    configs: Mapping[str, Mapping[str, str]],
    partitions: int | None,
    replication: int,
) -> dict[str, tuple[int, str]]:
    """What the brokers refuse: the code and what they say, by name."""
    requests = [
        NewTopic(
            topic.name,
            num_partitions=partitions if partitions and topic.partitions > 1 else topic.partitions,
            replication_factor=replication,
            topic_configs=dict(configs[topic.name]),
        )
        for topic in missing
    ]
    if not requests:
        return {}
    response = await admin.create_topics(requests)
    return {name: (code, why or "") for name, code, why in response.topic_errors if code not in _THERE}


def _sentences(refused: Mapping[str, tuple[int, str]]) -> str:
    """One for each reason, because many topics have the same."""
    names: dict[tuple[int, str], list[str]] = {}
    for name, reason in refused.items():
        names.setdefault(reason, []).append(name)
    return "; ".join(_sentence(of, *reason) for reason, of in names.items())


def _sentence(names: Sequence[str], code: int, why: str) -> str:
    remedy = f": {_REMEDIES[code]}" if code in _REMEDIES else ""
    them = f"topic {names[0]} was" if len(names) == 1 else f"topics {', '.join(names)} were"
    return f"{them} refused: {why.rstrip('.')} (code {code}){remedy}"
