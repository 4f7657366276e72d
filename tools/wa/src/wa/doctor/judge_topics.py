"""The doctor's judgement of the topics. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from common.contracts import topics
from common.contracts.topics import Topic
from common.kafka.admin import Described
from common.kafka.topic_creation import SAFE_COPIES, SAFE_IN_SYNC
from wa.doctor.findings import Finding, ok, problem, warning

_DAY_MS: Final = 24 * 60 * 60 * 1000
_ENSURE: Final = "`wa topics ensure`"


def judge_topics(there: Mapping[str, Described], wanted: Sequence[Topic] = topics.ALL) -> list[Finding]:
    """Findings: missing topics, partitions without a leader, wrong counts, too few copies, sizes that are too small."""
    missing = sorted(topic.name for topic in wanted if topic.name not in there)
    found = [problem("topics", f"missing: {', '.join(missing)}", f"create them: {_ENSURE}")] if missing else []
    present = [(topic, there[topic.name]) for topic in wanted if topic.name in there]
    found += [finding for topic, described in present for finding in _judge_topic(topic, described)]
    found += _judge_family({topic.name: described.partitions for topic, described in present})
    found += _judge_safety(dict(present))
    return found or [ok("topics", f"all {len(wanted)} are as declared")]


def _judge_topic(topic: Topic, described: Described) -> Iterator[Finding]:
    if not described.led:
        yield problem("topics", f"{topic.name} has partitions without a leader", "bring the missing brokers back")
    if topic.partitions == 1 and described.partitions != 1:
        yield problem(
            "topics",
            f"{topic.name} has {described.partitions} partitions, but needs exactly 1: it is read as one table",
            f"stop the services, delete the topic, {_ENSURE}; accounts writes its topic again when it starts",
        )
    if described.min_in_sync is not None and described.min_in_sync > described.copies:
        yield problem(
            "topics",
            f"{topic.name} takes no record: each has to be on {described.min_in_sync} brokers (min.insync.replicas),"
            f" and there are {described.copies} copies",
            f"set min.insync.replicas of the topic to {max(1, described.copies - 1)}",
        )
    if described.compacted is not None and described.compacted != topic.compacted:
        wrong = "forgets accounts" if topic.compacted else "loses what has the same key"
        yield problem(
            "topics",
            f"{topic.name} {wrong} (cleanup.policy)",
            f"set cleanup.policy of the topic to {'compact' if topic.compacted else 'delete'}",
        )
    if described.max_message_bytes is not None and described.max_message_bytes < topic.max_message_bytes:
        yield problem(
            "topics",
            f"{topic.name} takes records of at most {described.max_message_bytes:,} bytes; ours may have"
            f" {topic.max_message_bytes:,}",
            f"set max.message.bytes of the topic to {topic.max_message_bytes}",
        )


def _judge_family(partitions: Mapping[str, int]) -> Iterator[Finding]:
    family = {topic.name: partitions[topic.name] for topic in topics.SEND_FAMILY if topic.name in partitions}
    if len(set(family.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in family.items())
        yield problem(
            "topics",
            f"the four topics of sender need the same number of partitions: {told}",
            f"`wa topics raise send --partitions {max(family.values())}`: sender starts no work before that",
        )


def _judge_safety(present: Mapping[Topic, Described]) -> Iterator[Finding]:
    """What works now but fails with the first fault: one finding for all topics concerned."""
    fewer = [topic.name for topic, it in present.items() if topic.partitions > 1 and it.partitions < topic.partitions]
    if fewer:
        yield warning(
            "topics",
            f"fewer partitions than declared, so fewer processes share the work: {_some(fewer)}",
            "`wa topics raise` adds some, once all that was written before has been read",
        )
    lonely = [topic.name for topic, it in present.items() if it.copies < SAFE_COPIES]
    if lonely:
        yield warning(
            "topics",
            f"fewer than {SAFE_COPIES} copies of each partition, so losing a broker may stop work: {_some(lonely)}",
            "with three brokers or more, reassign them to three copies (kafka-reassign-partitions.sh), then set"
            " min.insync.replicas to 2",
        )
    early = [
        topic.name
        for topic, it in present.items()
        if it.copies >= SAFE_COPIES and it.min_in_sync is not None and it.min_in_sync < SAFE_IN_SYNC
    ]
    if early:
        yield warning(
            "topics",
            f"a record is acknowledged when only one broker has it (min.insync.replicas): {_some(early)}",
            "for each: kafka-configs.sh --alter --entity-type topics --entity-name NAME --add-config"
            " min.insync.replicas=2",
        )
    unseen = [topic.name for topic, it in present.items() if it.max_message_bytes is None]
    if unseen:
        yield warning(
            "topics",
            f"sizes, copies in sync and times were not checked, because Kafka does not tell them: {_some(unseen)}",
            "give this user the right DESCRIBE_CONFIGS of the topics, or compare them with `wa topics list --json`",
        )
    hasty = [topic.name for topic, it in present.items() if _goes_too_soon(topic, it)]
    if hasty:
        yield warning(
            "topics",
            f"records go after less than a day (retention.ms), read or not: {_some(hasty)}",
            "set it as `wa topics list --json` shows it (`config`)",
        )
    longer = [topic.name for topic, it in present.items() if _keeps_longer(topic, it)]
    if longer:
        yield warning(
            "topics",
            f"records stay longer than declared (retention.ms, segment.ms), also those about people: {_some(longer)}",
            "set both as `wa topics list --json` shows them (`config`), because `wa erase` reports the declared times",
        )


def _goes_too_soon(topic: Topic, it: Described) -> bool:
    if topic.compacted or it.retention_ms is None or it.retention_ms < 0:
        return False
    return it.retention_ms < min(_DAY_MS, topic.retention_ms)


def _keeps_longer(topic: Topic, it: Described) -> bool:
    if topic.compacted or it.retention_ms is None or it.segment_ms is None:
        return False
    return it.retention_ms < 0 or it.retention_ms + it.segment_ms > topic.retention_ms + topic.segment_ms


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= len(names[:3]) else f"{shown} and {len(names) - 3} more"
