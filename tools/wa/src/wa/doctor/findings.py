"""What the doctor makes of what it sees. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from common.contracts import topics
from common.contracts.topics import Topic
from common.kafka.admin import Described
from common.meta.onboarding import PERMISSION

_SOON: Final = timedelta(days=7)
_SAFE_COPIES: Final = 3
_ENSURE: Final = "python -m common.kafka.admin ensure"


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what is so, and what to do about it (nothing where it is well)."""

    about: str
    level: Level
    says: str
    mend: str = ""


def ok(about: str, says: str) -> Finding:
    """All is well."""
    return Finding(about, Level.OK, says)


def problem(about: str, says: str, mend: str) -> Finding:
    """It does not work like this."""
    return Finding(about, Level.PROBLEM, says, mend)


def warning(about: str, says: str, mend: str) -> Finding:
    """It works, and will not always."""
    return Finding(about, Level.WARNING, says, mend)


def judge_topics(there: Mapping[str, Described], wanted: Sequence[Topic] = topics.ALL) -> list[Finding]:
    """Missing topics, partitions without a leader, counts that do not go together, too few copies, sizes refused."""
    missing = sorted(topic.name for topic in wanted if topic.name not in there)
    found = [problem("topics", f"missing: {', '.join(missing)}", f"create them: {_ENSURE}")] if missing else []
    present = [(topic, there[topic.name]) for topic in wanted if topic.name in there]
    found += [finding for topic, described in present for finding in _judge_topic(topic, described)]
    found += _judge_family({topic.name: described.partitions for topic, described in present})
    return found or [ok("topics", f"all {len(wanted)} are as declared")]


def _judge_topic(topic: Topic, described: Described) -> Iterator[Finding]:
    if not described.led:
        yield problem(
            "topics", f"{topic.name} has partitions without a leader", "bring the brokers that are away back"
        )
    if topic.partitions == 1 and described.partitions != 1:
        yield problem(
            "topics",
            f"{topic.name} has {described.partitions} partitions; it is read as one table, in order, and needs exactly 1",
            f"stop the services, delete the topic, {_ENSURE}; accounts writes its topic anew when it starts",
        )
    elif described.partitions < topic.partitions:
        yield warning(
            "topics",
            f"{topic.name} has {described.partitions} partitions, {topic.partitions} are declared: that many processes"
            " can share its work",
            "partitions can be added while nothing waits in the topic, for keys move (docs/operations.md)",
        )
    if described.copies < _SAFE_COPIES:
        yield warning(
            "topics",
            f"{topic.name} has {described.copies} copies of each partition: it does not survive the loss of a broker"
            " without the loss of records or of service",
            "with three brokers or more, reassign it to three copies and set min.insync.replicas to 2",
        )
    if described.max_message_bytes is not None and described.max_message_bytes < topic.max_message_bytes:
        yield problem(
            "topics",
            f"{topic.name} takes records of {described.max_message_bytes:,} bytes; ours have up to"
            f" {topic.max_message_bytes:,}",
            f"set max.message.bytes of the topic to {topic.max_message_bytes}",
        )


def _judge_family(partitions: Mapping[str, int]) -> Iterator[Finding]:
    family = {topic.name: partitions[topic.name] for topic in topics.SEND_FAMILY if topic.name in partitions}
    if len(set(family.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in family.items())
        yield problem(
            "topics",
            f"the four topics of the sender need equal counts of partitions: {told}",
            f"raise all of them to {max(family.values())}: the sender takes no work before",
        )


def judge_hello(hello: Mapping[str, Any]) -> Finding:
    """What MongoDB says of itself."""
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        return problem(
            "mongodb",
            "it is no replica set: there are no transactions, and nothing of ours is written without",
            "start it with --replSet rs0 and run rs.initiate() once; one member is enough",
        )
    if not (hello.get("isWritablePrimary") or hello.get("msg") == "isdbgrid"):
        return problem("mongodb", "there is no primary now", "bring a majority of the members back")
    members = len(hello.get("hosts", []))
    if members == 1:
        return warning(
            "mongodb", "the replica set has one member: it does not survive its loss", "run three in production"
        )
    return ok("mongodb", f"the replica set has a primary and {members} members" if members else "a sharded cluster")


def judge_keys(closed: Mapping[str, str], opened: int) -> Finding:
    """`closed` says of accounts why their secrets do not open; `opened` is how many do."""
    if closed:
        chatbot, why = next(iter(sorted(closed.items())))
        return problem(
            "keys",
            f"the secrets of {len(closed)} of {len(closed) + opened} accounts do not open; {chatbot}: {why}",
            "give ACCOUNTS_KEKS every key that was ever primary, under its own id; keys are found where they are"
            " backed up, and nowhere else",
        )
    return ok("keys", f"the secrets of all {opened} accounts open" if opened else "there is no account yet")


def judge_token(chatbot: str, inspected: Mapping[str, Any], now: datetime) -> Finding:
    """What Meta's `debug_token` says of an account's access token (Meta, "Debug token")."""
    about, renew = f"token of {chatbot}", "draw a system-user token that does not expire and POST the account anew"
    ends = inspected.get("expires_at")
    until = datetime.fromtimestamp(ends, tz=now.tzinfo) if isinstance(ends, int) and ends > 0 else None
    if until is not None and until <= now:
        return problem(about, f"it expired on {until:%Y-%m-%d %H:%M} UTC", renew)
    if not inspected.get("is_valid"):
        return problem(about, "Meta says that it is not valid (any more)", renew)
    scopes = inspected.get("scopes")
    if isinstance(scopes, list) and PERMISSION not in scopes:
        return problem(about, f"it lacks the permission {PERMISSION}", renew)
    if until is not None and until - now < _SOON:
        return warning(about, f"it expires on {until:%Y-%m-%d %H:%M} UTC", renew)
    return ok(about, "Meta says that it is valid")


def worst(findings: Iterable[Finding]) -> Level:
    """The worst level among them."""
    order = list(Level)
    return max((finding.level for finding in findings), key=order.index, default=Level.OK)


def lines(finding: Finding) -> list[str]:
    """A finding for a reader."""
    marks = {Level.OK: "ok     ", Level.WARNING: "WARNING", Level.PROBLEM: "PROBLEM"}
    told = [f"{marks[finding.level]}  {finding.about}: {finding.says}"]
    return [*told, f"         → {finding.mend}"] if finding.mend else told
