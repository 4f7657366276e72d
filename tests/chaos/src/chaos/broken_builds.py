"""Deliberately broken builds: `python -m chaos.broken_builds HOW SERVICE` runs a service with one promise cut out.

The fault suite has to find each of them, because a suite that passes on a broken build proves nothing.
"""

import argparse
import asyncio
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

_SLOW_SECONDS: Final = 0.2


def lanes_off() -> None:
    """Every send has its own lane, so no send waits for the one before it (P4)."""
    from sender.records.job import Job  # imported here, because each build loads only the code of its own service

    Job.lane = property(lambda job: job.journal_id)  # type: ignore[assignment, method-assign]


def journal_off() -> None:
    """The sender does not remember what it has sent (P3)."""
    from sender.journal.store import JournalStore

    async def write(_: Any, transitions: Sequence[Any]) -> list[Any]:
        return [transition.entry for transition in transitions]

    async def load(_: Any, ids: Sequence[str]) -> list[None]:
        return [None] * len(ids)

    JournalStore.write = write  # type: ignore[assignment, method-assign]
    JournalStore.load = load  # type: ignore[assignment, method-assign]


def commit_first() -> None:
    """Offsets are committed when records are read, before the transaction that stores them (P2).

    The transaction takes a fifth of a second, as it may with a busy MongoDB, so that a fault can hit it.
    """
    from common.kafka.consume.partition_session import PartitionSession

    fetch = PartitionSession.fetch

    async def committed(session: Any, *args: Any, **kwargs: Any) -> Any:
        records = await fetch(session, *args, **kwargs)
        await session.commit([], {tp: batch[-1].offset + 1 for tp, batch in records.items()})
        await asyncio.sleep(_SLOW_SECONDS if records else 0)
        return records

    PartitionSession.fetch = committed  # type: ignore[assignment, method-assign]


def generation_at_commit() -> None:
    """A commit has the generation that the driver knows by then, not the one of its assignment (P2).

    Predecessors are not ended by their names, because that is the second fence and suffices alone.
    """
    from common.kafka.consume.partition_session import PartitionSession
    from common.kafka.wire.group_member import MemberConsumer

    class Now:
        def __init__(self, consumer: Any) -> None:
            self._consumer = consumer

        def __getattr__(self, name: str) -> Any:
            coordinator = self._consumer._coordinator
            return coordinator.group_id if name == "group" else getattr(coordinator, name)

    def live(consumer: Any) -> Any:
        return Now(consumer)

    async def accepted(_: Any, __: Any) -> None:
        """Any process counts as a member."""

    commit = PartitionSession.commit

    async def late(session: Any, *args: Any) -> None:
        await _slowly()
        await commit(session, *args)

    MemberConsumer.membership = live  # type: ignore[assignment, method-assign]
    MemberConsumer.confirm = accepted  # type: ignore[assignment, method-assign]
    PartitionSession.commit = late  # type: ignore[assignment, method-assign]
    _end_nobody()


def unstable_reads() -> None:
    """A new owner begins at an offset that an open transaction may still change (P2).

    Predecessors are not ended by their names, because that closes their transactions before offsets are read.
    """
    from aiokafka import AIOKafkaProducer

    from common.kafka.wire.offset_requests import OffsetFetch

    init, commit = OffsetFetch.__init__, AIOKafkaProducer.commit_transaction

    def unstable(request: Any, *args: Any, stable: bool) -> None:
        init(request, *args, stable=stable and False)

    async def late(producer: Any) -> None:
        await _slowly()
        await commit(producer)

    OffsetFetch.__init__ = unstable  # type: ignore[assignment, method-assign]
    AIOKafkaProducer.commit_transaction = late
    _end_nobody()


def _end_nobody() -> None:
    from common.kafka.wire.group_member import MemberProducer

    async def end(_: Any, __: Any) -> None:
        """Leave predecessors as they are."""

    MemberProducer.end = end  # type: ignore[assignment, method-assign]


async def _slowly() -> None:
    """A second in small steps, so that a stopped process has some of it left when it goes on."""
    for _ in range(10):
        await asyncio.sleep(_SLOW_SECONDS / 2)


def origin_off() -> None:
    """An event is published for every record of a message, not only for the first one (P2)."""
    from conversation.batch import core

    apply = core.apply_inbound  # type: ignore[attr-defined]  # breaking in is the point

    def every_record(result: Any, fact: Any, chatbots: Any, now: Any, *, deactivated: bool) -> None:
        for message in result.working.of_wamid(fact.event.data.phone_number_id, fact.message.id):
            message.document["origin"] = fact.origin
        apply(result, fact, chatbots, now, deactivated=deactivated)

    core.apply_inbound = every_record  # type: ignore[attr-defined]


def merge_forgets() -> None:
    """A merge is done after its first slice: the other messages stay where no thread shows them."""
    from conversation.upkeep.moving import Moving

    move_slice = Moving._slice

    async def first_slice(moving: Any, winner: str, absorbed: str, session: Any) -> Any:
        moved = await move_slice(moving, winner, absorbed, session)
        mark = {"$unset": {"absorbs": ""}}
        await moving._store.conversations.update_one({"_id": winner}, mark, session=session)
        return moved

    Moving._slice = first_slice  # type: ignore[assignment, method-assign]


def thread_of_one() -> None:
    """A thread lacks the messages that have yet to follow, although they do follow in the end."""
    from conversation.read_api.queries import ReadQueries

    conversation = ReadQueries.conversation

    async def unmarked(reads: Any, *args: Any) -> Any:
        return {name: value for name, value in (await conversation(reads, *args)).items() if name != "absorbs"}

    ReadQueries.conversation = unmarked  # type: ignore[assignment, method-assign]


def uncommitted() -> None:
    """The AI consumer also reads uncommitted events: they may come twice, but replies must not (P2)."""
    from aiokafka import AIOKafkaConsumer

    init = AIOKafkaConsumer.__init__

    def reading_all(consumer: Any, *topics: Any, **settings: Any) -> None:
        init(consumer, *topics, **(settings | {"isolation_level": "read_uncommitted"}))

    AIOKafkaConsumer.__init__ = reading_all


@dataclass(frozen=True, slots=True)
class Build:
    """A broken build: its service, the change that breaks it, and the faults that reveal it soonest."""

    service: str
    breaks: Callable[[], None]
    kinds: frozenset[str] | None
    breach: bool = True
    """Whether it breaks one of our promises, so that a run has to fail."""
    merges: bool = False
    """Whether only a merge of large conversations reveals it."""


BUILDS: Final[Mapping[str, Build]] = MappingProxyType(
    {
        "lanes_off": Build("sender", lanes_off, frozenset({"storm:error"})),
        "journal_off": Build(
            "sender", journal_off, frozenset({"kill:sender", "kill:ai_responder", "storm:lose_answer"})
        ),
        "commit_first": Build("conversation", commit_first, frozenset({"kill:conversation"})),
        "generation_at_commit": Build("conversation", generation_at_commit, frozenset({"pause:conversation"})),
        "unstable_reads": Build("conversation", unstable_reads, frozenset({"pause:conversation"})),
        "origin_off": Build("conversation", origin_off, frozenset({"storm:duplicate"})),
        "merge_forgets": Build("conversation", merge_forgets, frozenset({"kill:ingress"}), merges=True),
        "thread_of_one": Build("conversation", thread_of_one, frozenset({"kill:ingress"}), merges=True),
        "uncommitted": Build("ai_responder", uncommitted, None, breach=False),
    }
)
"""By name."""


def command(how: str) -> dict[str, list[str]]:
    """The command that runs the broken service, for `Choices(commands=...)`. Raises `KeyError` for an unknown build."""
    service = BUILDS[how].service
    return {service: [sys.executable, "-m", "chaos.broken_builds", how, service]}


def main() -> None:
    """Break the service's code in this process, and run it."""
    parser = argparse.ArgumentParser(prog="python -m chaos.broken_builds", description=__doc__)
    parser.add_argument("how", choices=sorted(BUILDS))
    parser.add_argument("service")
    options = parser.parse_args()
    BUILDS[options.how].breaks()
    sys.argv = [options.service]
    runpy.run_module(options.service, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
