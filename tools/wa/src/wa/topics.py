"""`wa topics`: the declared topics, listed, created and checked."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from common.contracts import topics
from common.contracts.topics import Topic
from common.kafka.admin import Described, describe_topics, ensure_topics
from common.kafka.settings import KafkaSettings
from wa import options
from wa.doctor.findings import Level, table, worst
from wa.doctor.judge_topics import judge_topics
from wa.partitions.commands import add_raise

_HOUR_MS: Final = 60 * 60 * 1000
_DAY_MS: Final = 24 * _HOUR_MS


def register(groups: Any) -> None:
    """Add the group to the command line."""
    verbs = options.add_group(groups, "topics", "topics: list, ensure, check, raise", "wa topics check")
    listed = options.add_command(
        verbs, "list", "list every declared topic, and its state on the brokers", "wa topics list"
    )
    listed.add_argument("--json", action="store_true", help="one JSON object per topic")
    listed.add_argument(
        "--declared", action="store_true", help="show only the declared values; do not connect to the brokers"
    )
    listed.set_defaults(run=run_list)
    ensure = options.add_command(
        verbs,
        "ensure",
        "create missing topics, wait for their leaders, and say what differs at existing ones, which are not changed",
        "wa topics ensure --replication 3",
    )
    ensure.add_argument(
        "--partitions", type=options.count, metavar="N", help="partitions of each topic (default: as declared)"
    )
    ensure.add_argument(
        "--replication", type=options.count, metavar="N", default=3, help="copies of each partition (default: 3)"
    )
    ensure.add_argument(
        "--wait", type=options.count, default=30, metavar="S", help="seconds to wait for leaders (default: 30)"
    )
    ensure.set_defaults(run=run_ensure)
    check = options.add_command(
        verbs,
        "check",
        "report what is wrong with the topics and how to fix it; exit code 3 if there is a problem",
        "wa topics check",
    )
    check.set_defaults(run=run_check)
    add_raise(verbs)


async def run_list(arguments: argparse.Namespace, settings: KafkaSettings) -> int:
    """`wa topics list`; the exit code."""
    there = {} if arguments.declared else await describe_topics(settings)
    for topic in topics.ALL:
        print(json.dumps(_facts(topic, there)) if arguments.json else _line(topic, there, asked=not arguments.declared))
    return 0


async def run_ensure(arguments: argparse.Namespace, settings: KafkaSettings) -> int:
    """`wa topics ensure`; the exit code, which is 0 also where an existing topic differs: `check` has another."""
    created = await ensure_topics(
        settings, partitions=arguments.partitions, replication=arguments.replication, wait_seconds=arguments.wait
    )
    print("\n".join([f"created {len(created)} topics", *(f"  {name}" for name in created)]))
    differ = [finding for finding in judge_topics(await describe_topics(settings)) if finding.level is not Level.OK]
    if differ:
        print("\n".join(["what is there is left as it is:", *table(differ)]))
    return 0


async def run_check(_: argparse.Namespace, settings: KafkaSettings) -> int:
    """`wa topics check`; the exit code."""
    findings = judge_topics(await describe_topics(settings))
    print("\n".join(table(findings)))
    return 3 if worst(findings) is Level.PROBLEM else 0


def _line(topic: Topic, there: Mapping[str, Described], *, asked: bool) -> str:
    kept = "compacted" if topic.compacted else _time(topic.retention_ms)
    declared = (
        f"{topic.name:32} {topic.partitions:3} partitions  {kept:10} written by {topic.owner:14} key: {topic.key}"
    )
    if not asked:
        return declared
    found = there.get(topic.name)
    standing = f"{found.partitions} partitions, {found.copies} copies" if found else "MISSING"
    return f"{declared}\n{'':32} there: {standing}"


def _time(milliseconds: int) -> str:
    days, rest = divmod(milliseconds, _DAY_MS)
    return f"{milliseconds / _HOUR_MS:g} hours" if rest else f"{days} days"


def _facts(topic: Topic, there: Mapping[str, Described]) -> dict[str, Any]:
    found = there.get(topic.name)
    return {**asdict(topic), "config": topic.config(), "there": asdict(found) if found else None}
