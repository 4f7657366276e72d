"""`wa topics raise` and `wa sends requeue`: the options, and what each command does."""

import argparse
from collections.abc import Sequence
from typing import Annotated, Any, Final

from pydantic import Field

from common.contracts import topics
from common.kafka.settings import KafkaSettings
from common.mongo import MongoSettings
from wa import options
from wa.connection import connected, say, settings_of
from wa.errors import Refused
from wa.partitions.choice import CHOICES, CONVERSATION, SENDER, STATUS, Obstacle, Seen, refusals, restarts
from wa.partitions.looking import Looker, looking
from wa.partitions.raising import raise_to, wait_for_quiet
from wa.partitions.requeue import Moved, SendTopic, count, requeue

_SEND: Final = CHOICES["send"]
_SETTINGS: Final = "KAFKA_*, CONSUMER_GROUP, SENDER_GROUP, SENDER_STATUS_GROUP"
_RAISE: Final = "wa topics raise webhooks --partitions 24 --dry-run"
_SHOWN: Final = 10


class GroupSettings(MongoSettings):
    """The names of our consumer groups, and where the waiting sends are."""

    consumer_group: Annotated[str, Field(description="as conversation has it")] = "conversation"
    sender_group: Annotated[str, Field(description="as sender has it")] = "sender"
    sender_status_group: Annotated[str, Field(description="as sender has it")] = "sender-status"

    def names(self) -> dict[str, str]:
        """By role."""
        return {CONVERSATION: self.consumer_group, SENDER: self.sender_group, STATUS: self.sender_status_group}


def add_raise(verbs: Any) -> None:
    """Add `raise` to the commands of `wa topics`."""
    parser = options.add_command(
        verbs,
        "raise",
        "give topics more partitions, once all that was written before has been read; the four of send together",
        _RAISE,
        settings=f"{_SETTINGS}; for send also MONGODB_URI, MONGODB_DATABASE",
    )
    parser.add_argument("topic", choices=sorted(CHOICES), help="which topics")
    parser.add_argument("--partitions", required=True, type=options.count, metavar="N", help="how many there will be")
    _add_looking(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="only say what is in the way; exit code 3 if anything is"
    )
    parser.set_defaults(run=run_raise)


def register_sends(groups: Any) -> None:
    """Add the group `sends` to the command line."""
    verbs = options.add_group(groups, "sends", "sends that wait in MongoDB: requeue", "wa sends requeue --dry-run")
    parser = options.add_command(
        verbs,
        "requeue",
        "put parked sends back on the topic and scheduled ones into its partitions, while no sender runs; after Kafka"
        " was lost, or its partitions were raised",
        "wa sends requeue --dry-run",
        settings=f"{_SETTINGS}, MONGODB_URI, MONGODB_DATABASE",
    )
    _add_looking(parser)
    parser.add_argument(
        "--all", action="store_true", dest="everything", help="also what seems to stand where it belongs"
    )
    parser.add_argument(
        "--behind", action="store_true", help="also when the topic has unread requests, which then go out before"
    )
    parser.add_argument("--dry-run", action="store_true", help="only count them")
    parser.set_defaults(run=run_requeue)


def _add_looking(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="GROUP",
        help="a consumer group that does not count, because it reads the topic no more; may be repeated",
    )
    parser.add_argument(
        "--wait", type=options.count, default=60, metavar="S", help="seconds to wait until all is read (default: 60)"
    )


async def run_raise(arguments: argparse.Namespace, kafka: KafkaSettings) -> int:
    """`wa topics raise`; the exit code."""
    settings = settings_of(GroupSettings)
    choice, to = CHOICES[arguments.topic], arguments.partitions
    async with looking(kafka, settings.names(), arguments.without) as looker:
        refused = refusals(choice, to, Seen(await looker.counts(choice)))
        if refused:
            raise Refused(_sentences(refused))
        seen, found = await wait_for_quiet(looker, choice, 0 if arguments.dry_run else arguments.wait)
        print("\n".join(f"{name}: {count} partitions, {to} wanted" for name, count in seen.counts.items()), flush=True)
        if found:
            raise Refused(_sentences(found))
        if arguments.dry_run:
            print("nothing is in the way now")
            return 0
        grown = await raise_to(kafka, looker, choice, to, seen)
        print(f"each has {to} partitions now", flush=True)
        if choice is _SEND:
            _tell(await _move(kafka, settings, looker, everything=False))
    if grown and choice.stop is not None:
        told = ", ".join(f"{name}/{partition}" for name, partition in grown)
        raise Refused(
            f"something wrote to {told} meanwhile: those records may be handled after later ones of the same key."
            f" Stop what writes there, until {choice.stop} has read them"
        )
    print("\n".join(restarts(choice, seen)))
    return 0


async def run_requeue(arguments: argparse.Namespace, kafka: KafkaSettings) -> int:
    """`wa sends requeue`; the exit code."""
    settings = settings_of(GroupSettings)
    async with looking(kafka, settings.names(), arguments.without) as looker:
        counts = await looker.counts(_SEND)
        if len(counts) < len(_SEND.topics):
            raise Refused("topics of sender are missing: `wa topics ensure` creates them")
        if arguments.dry_run:
            _tell(await _move(kafka, settings, looker, everything=arguments.everything, dry=True), would=True)
            return 0
        seen, found = await wait_for_quiet(looker, _SEND, arguments.wait)
        if seen.writing or (found and not arguments.behind):
            raise Refused(_sentences(found))
        _tell(await _move(kafka, settings, looker, everything=arguments.everything))
    print("start sender")
    return 0


async def _move(
    kafka: KafkaSettings, settings: GroupSettings, looker: Looker, *, everything: bool, dry: bool = False
) -> Moved:
    seen = await looker.look(_SEND)
    ends = {partition: end for (name, partition), end in seen.ends.items() if name == topics.SEND.name}
    topic = SendTopic(seen.counts[topics.SEND.name], ends, everything)
    async with connected(settings) as mongo:
        return await (count(mongo.database, topic) if dry else requeue(mongo.database, kafka, topic, say))


def _tell(moved: Moved, *, would: bool = False) -> None:
    done = ("would go back", "would change") if would else ("went back", "changed")
    print(
        f"{moved.parked:,} parked sends {done[0]} on the topic, {moved.scheduled:,} scheduled ones {done[1]} partition"
    )
    if moved.left:
        shown = ", ".join(moved.left[:_SHOWN])
        print(f"{len(moved.left):,} are not what their documents say, and stay where they are: {shown}")


def _sentences(found: Sequence[Obstacle]) -> str:
    return "; ".join(f"{one.says} ({one.fix})" for one in found)
