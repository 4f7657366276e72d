"""Writes the generated manifests. `make manifests`; `--check` only compares.

It writes a KafkaTopic (Strimzi) for each declared topic; a KafkaUser for each program, with only the rights that the
program needs; and a PrometheusRule (Prometheus operator) from deploy/prometheus/alerts.yml.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Final

from stale_files import write_stale

from common.contracts import topics
from common.contracts.topics import Topic

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"
COMPONENTS: Final = DEPLOY / "k8s" / "components"
HEAD: Final = "# Written by `make manifests` from common.contracts.topics.\n"
_REPLICAS: Final = 3
_MIN_INSYNC: Final = 2


@dataclass(frozen=True, slots=True)
class User:
    """The rights of a program: topics to read and write, its groups, and the prefixes of its transactional ids.

    It may only ask for the lag of topics and groups that it watches.
    """

    reads: Sequence[Topic] = ()
    writes: Sequence[Topic] = ()
    groups: Sequence[str] = ()
    transactions: Sequence[str] = ()
    creates: bool = False
    watches: Sequence[Topic] = ()
    watched_groups: Sequence[str] = ()


USERS: Final[Mapping[str, User]] = {
    "ingress": User(reads=[topics.ACCOUNTS], writes=[topics.WEBHOOKS, topics.INGRESS_REPORTS]),
    "conversation": User(
        reads=[topics.WEBHOOKS, topics.SEND_RESULTS, topics.ACCOUNTS, *topics.SEND_FAMILY],
        writes=[topics.INCOMING_MESSAGES, topics.MESSAGE_STATUS, topics.WEBHOOKS_DLQ, topics.NUMBERS],
        groups=["conversation"],
        watched_groups=["sender"],  # to know which sends are not finished
        transactions=["conversation-"],
    ),
    "sender": User(
        reads=[
            *topics.SEND_FAMILY,
            topics.MESSAGE_STATUS,
            topics.ACCOUNTS,
            topics.NUMBERS,
            topics.INGRESS_REPORTS,
        ],
        writes=[*topics.SEND_FAMILY, topics.SEND_RESULTS, topics.SEND_DLQ],
        groups=["sender", "sender-status"],
        transactions=["sender-"],
        # To know whether the status of a send in doubt may still be on its way.
        watches=[topics.WEBHOOKS],
        watched_groups=["conversation"],
    ),
    "accounts": User(reads=[topics.ACCOUNTS], writes=[topics.ACCOUNTS]),
    "topics": User(reads=topics.ALL, creates=True),
    "keda": User(watches=[topics.WEBHOOKS, topics.SEND], watched_groups=["conversation", "sender"]),
}


def topic_manifests() -> str:
    """A KafkaTopic for each."""
    return HEAD + "---\n".join(map(_topic, topics.ALL))


def _topic(topic: Topic) -> str:
    config = {**topic.config(), "min.insync.replicas": str(_MIN_INSYNC)}
    lines = "".join(f'    {name}: "{value}"\n' for name, value in sorted(config.items()))
    return (
        "apiVersion: kafka.strimzi.io/v1\nkind: KafkaTopic\nmetadata:\n"
        f"  name: {topic.name}\n  labels: {{strimzi.io/cluster: kafka}}\nspec:\n"
        f"  partitions: {topic.partitions}\n  replicas: {_REPLICAS}\n  config:\n{lines}"
    )


def user_manifests() -> str:
    """A KafkaUser for each program."""
    return HEAD + "---\n".join(_user(name, user) for name, user in USERS.items())


def _user(name: str, user: User) -> str:
    """With the password that the program is given.

    Strimzi repeats it in a Secret of the user's name, which therefore must not be the name of the program's Secret.
    """
    rules = "".join(
        f"      - resource: {{type: {kind}, name: {of}, patternType: {pattern}}}\n"
        f"        operations: [{', '.join(may)}]\n"
        for kind, of, pattern, may in _rules(user)
    )
    return (
        "apiVersion: kafka.strimzi.io/v1\nkind: KafkaUser\nmetadata:\n"
        f"  name: whatsapp-cloud-user-{name}\n  labels: {{strimzi.io/cluster: kafka}}\nspec:\n"
        "  authentication:\n    type: scram-sha-512\n    password:\n      valueFrom:\n"
        f"        secretKeyRef: {{name: whatsapp-cloud-{name}, key: KAFKA_SASL_PASSWORD}}\n"
        "  authorization:\n    type: simple\n    acls:\n" + rules
    )


def _rules(user: User) -> Iterator[tuple[str, str, str, Sequence[str]]]:
    """Kind of resource, its name, how the name is matched, operations."""
    names = {topic.name for topic in (*user.reads, *user.writes, *user.watches)}
    for name in sorted(names):
        may = ["Describe"]
        may += ["Read"] * any(topic.name == name for topic in user.reads)
        may += ["Write"] * any(topic.name == name for topic in user.writes)
        may += ["Create"] * user.creates
        yield "topic", name, "literal", may
    for group in user.groups:
        yield "group", group, "literal", ["Read", "Describe"]
    for group in user.watched_groups:
        yield "group", group, "literal", ["Describe"]
    for prefix in user.transactions:
        yield "transactionalId", prefix, "prefix", ["Describe", "Write"]


def rule_manifest() -> str:
    """The alerts in the form of the Prometheus operator."""
    rules = (DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    groups = rules[rules.index("groups:") :]
    head = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: whatsapp-cloud\nspec:\n"
    return "# Written by `make manifests` from deploy/prometheus/alerts.yml.\n" + head + indent(groups, "  ")


def main() -> int:
    """Write or compare the files; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 when a checked-in file is out of date")
    check = parser.parse_args().check
    made = {
        "strimzi/topics.yaml": topic_manifests(),
        "strimzi/users.yaml": user_manifests(),
        "monitoring/rules.yaml": rule_manifest(),
    }
    stale = write_stale({name: (COMPONENTS / name, content) for name, content in made.items()}, check=check)
    if check and stale:
        print(f"deploy/k8s out of date: {', '.join(stale)}; run 'make manifests'")
        return 1
    print(f"deploy/k8s: {'written ' + ', '.join(stale) if stale else 'up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
