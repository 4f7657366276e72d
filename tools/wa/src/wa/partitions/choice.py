"""What may be raised together, what has to stand still for it, and whether it does. Pure.

With another number of partitions a key moves to another one. A record there may be read while an older record of the
same key still waits in its old partition. So everything that was written before has to be read before anything is
written after: what writes the topic stops, and what reads it goes on until nothing is left.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from common.contracts import topics
from common.contracts.topics import Topic

CONVERSATION: Final = "conversation"
SENDER: Final = "sender"
STATUS: Final = "sender-status"
INGRESS: Final = "ingress"

Place = tuple[str, int]
"""A topic's name and a partition."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Topics that are raised together.

    `stop` is the service that writes them and has to be stopped; None: their records have no order that could be lost.
    `readers` are the groups of ours that read them. `others` says who else writes them, in words.
    """

    topics: tuple[Topic, ...]
    stop: str | None = None
    readers: tuple[str, ...] = ()
    others: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the topics."""
        return tuple(topic.name for topic in self.topics)


CHOICES: Final[Mapping[str, Choice]] = MappingProxyType(
    {
        "webhooks": Choice((topics.WEBHOOKS,), INGRESS, (CONVERSATION,), "`wa dlq replay`"),
        "incoming-messages": Choice((topics.INCOMING_MESSAGES,), CONVERSATION),
        "message-status": Choice((topics.MESSAGE_STATUS,), CONVERSATION, (STATUS,)),
        "send": Choice(topics.SEND_FAMILY, SENDER, (SENDER,), "AI consumers, every other producer, `wa dlq replay`"),
        "send-results": Choice((topics.SEND_RESULTS,), SENDER, (CONVERSATION,), "`wa dlq replay`"),
        "webhooks-dlq": Choice((topics.WEBHOOKS_DLQ,)),
        "send-dlq": Choice((topics.SEND_DLQ,)),
    }
)
"""By the name that an operator types. The other topics are read as one table, and keep their one partition."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How the topics of a choice stand.

    `counts` are their partitions, `ends` where each partition ends. `unread` has for each group that reads them how
    many records it has not read, about; `roles` says which of these are ours. `hidden` are groups that could not be
    looked at. `writing` says whether the service that has to stop still runs.
    """

    counts: Mapping[str, int]
    ends: Mapping[Place, int] = field(default_factory=dict)
    unread: Mapping[str, int] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    writing: bool = False


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why the topics must not be raised now, and what to do about it."""

    says: str
    fix: str


def refusals(choice: Choice, to: int, seen: Seen) -> list[Obstacle]:
    """What will not go away by waiting."""
    found = []
    missing = [name for name in choice.names if name not in seen.counts]
    if missing:
        found.append(Obstacle(f"missing: {', '.join(missing)}", f"`wa topics ensure --partitions {to}`"))
    more = {name: count for name, count in seen.counts.items() if count > to}
    if more:
        told = ", ".join(f"{name} has {count}" for name, count in more.items())
        found.append(Obstacle(f"{told}: Kafka cannot take partitions away", f"give at least {max(more.values())}"))
    return found


def obstacles(choice: Choice, seen: Seen, before: Seen) -> list[Obstacle]:
    """What keeps the topics from being raised at this moment. `before` is how they stood a moment ago."""
    if choice.stop is None:
        return []
    found = []
    drains_itself = any(count and seen.roles.get(group) == choice.stop for group, count in seen.unread.items())
    if seen.writing and not drains_itself:
        found.append(Obstacle(f"{choice.stop} runs, and writes to {_them(choice)}", f"stop every {choice.stop}"))
    if seen.ends != before.ends:
        others = f", and {choice.others}" if choice.others else ""
        found.append(Obstacle(f"{_them(choice)} still grows", f"stop what writes there: {choice.stop}{others}"))
    found += [
        Obstacle(
            f"the group {group} has about {count:,} records to read", _until_read(choice, group, seen.roles.get(group))
        )
        for group, count in sorted(seen.unread.items())
        if count
    ]
    found += [
        Obstacle(
            f"how far the group {group} has read could not be seen",
            f"give this user the right to describe it, or leave it out: --without {group}",
        )
        for group in seen.hidden
    ]
    return found


def restarts(choice: Choice, seen: Seen) -> list[str]:
    """What to do now that the topics are raised, one line each."""
    lines = [f"start {choice.stop} again" if choice.stop else "nothing of ours has to be restarted"]
    others = sorted(set(seen.unread) - set(seen.roles))
    if others:
        lines.insert(
            0,
            f"restart the consumers of {', '.join(others)} first: else they find the new partitions only when they ask"
            " for them again (metadata.max.age.ms, five minutes), and one that begins at the end (auto.offset.reset"
            " latest) would leave out what was written there before",
        )
    return lines


def grown(seen: Seen, after: Seen) -> list[Place]:
    """The partitions that were there before and have got records since."""
    return sorted(place for place, end in seen.ends.items() if after.ends.get(place, end) != end)


def _them(choice: Choice) -> str:
    return choice.names[0] if len(choice.names) == 1 else f"{choice.names[0]} or its retry topics"


def _until_read(choice: Choice, group: str, role: str | None) -> str:
    if role is not None and role == choice.stop:
        return f"let {role} run, with nothing that asks it to send, until it has read them; then stop it"
    gone = "" if role in choice.readers else f", or leave it out if it reads there no more: --without {group}"
    return f"let it run until it has read them{gone}"
