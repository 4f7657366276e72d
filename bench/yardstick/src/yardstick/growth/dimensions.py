"""The dimensions in which things grow: conversations, tenants, partitions, replicas.

A dimension is a list of steps; everything but the size is the same in each of them. Each step has topics, a database
and a consumer group of its own. What waits is `backlogs`' to grow.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from common.contracts import topics
from yardstick.growth.drain import group_of, mongod_of, rest, work_off
from yardstick.growth.seeding import records, seed
from yardstick.growth.steps import MIB, Step, fresh_name, step_of
from yardstick.rig.program import Program
from yardstick.rig.rig import PARTITIONS, Stand
from yardstick.services.conversation import conversation
from yardstick.services.ingress import ingress
from yardstick.services.sender import Graph, account_records, send_records, sender

_CHATBOTS: Final = 240
_CONVERSATIONS: Final = 1_000
_ALL_IN_MEMORY: Final = "100000"


async def conversations(stand: Stand, sizes: Sequence[int], messages: int) -> list[Step]:
    """Conversations in MongoDB, all of which are written to in turn."""
    return [await _inbound(stand, size, messages, seeded=size) for size in sizes]


async def tenants(stand: Stand, sizes: Sequence[int], messages: int) -> list[Step]:
    """Accounts, each with as many sends as the others. Reading them is `extra`, in every service that does."""
    return [await _tenants(stand, size, messages) for size in sizes]


async def conversation_partitions(stand: Stand, sizes: Sequence[int], messages: int) -> list[Step]:
    """Partitions of every topic, of which conversation reads two."""
    return [await _inbound(stand, size, messages, partitions=size) for size in sizes]


async def sender_partitions(stand: Stand, sizes: Sequence[int], messages: int) -> list[Step]:
    """Partitions of every topic, of which the sender reads five."""
    return [await _outbound(stand, size, messages, partitions=size) for size in sizes]


async def replicas(stand: Stand, sizes: Sequence[int], messages: int) -> list[Step]:
    """Processes of conversation in one group, all on the service's core: what company costs, not what it brings."""
    return [await _inbound(stand, size, messages, processes=size) for size in sizes]


async def _inbound(
    stand: Stand,
    size: int,
    messages: int,
    *,
    seeded: int = _CONVERSATIONS,
    partitions: int = PARTITIONS,
    processes: int = 1,
) -> Step:
    name = fresh_name()
    await stand.fresh_topics(*topics.ALL, partitions=partitions)
    await stand.fill(account_records())
    async with (
        stand.database(name) as database,
        group_of(stand, name, topics.WEBHOOKS) as group,
        AsyncExitStack() as running,
    ):
        mongod = await mongod_of(database)
        await seed(stand, name, seeded, mongod)
        programs = [await running.enter_async_context(conversation(stand, name, name)) for _ in range(processes)]
        figures, beside = await work_off(stand, group, programs, records(seeded, messages), mongod)
    return step_of(size, figures, mongod_us=beside)


async def _outbound(
    stand: Stand, size: int, messages: int, *, chatbots: int = _CHATBOTS, partitions: int = PARTITIONS
) -> Step:
    """Every chatbot has sent before: its first message also asks for its token and its limit, which is `extra`."""
    name, graph = fresh_name(), Graph(stand)
    await stand.fresh_topics(*topics.ALL, partitions=partitions)
    await stand.fill(account_records(chatbots))
    async with (
        stand.database(name) as database,
        group_of(stand, name, topics.SEND) as group,
        graph.program,
        sender(stand, graph.url, name, name, SENDER_SESSION_RECORDS=_ALL_IN_MEMORY) as program,
    ):
        started = program.used()
        mongod = await mongod_of(database)
        await work_off(stand, group, [program], list(send_records(chatbots, chatbots=chatbots)), mongod)
        await rest([program])
        first = program.used().cpu_seconds - started.cpu_seconds
        sends = list(send_records(messages, first=chatbots, chatbots=chatbots))
        figures, beside = await work_off(stand, group, [program], sends, mongod)
    return step_of(size, figures, mongod_us=beside, start_cpu_s=started.cpu_seconds, first_sends_cpu_s=first)


async def _tenants(stand: Stand, size: int, messages: int) -> Step:
    step = await _outbound(stand, size, messages, chatbots=size)
    name = fresh_name()
    async with stand.database(name), conversation(stand, name, name) as program:
        step.extra.update(await _read("conversation", program))
    async with ingress(stand).program as program:
        step.extra.update(await _read("ingress", program))
    return step


async def _read(name: str, program: Program) -> dict[str, float]:
    """What a service has used when it has just read all accounts."""
    used = program.used()
    return {f"{name}_mib": used.memory_bytes / MIB, f"{name}_start_cpu_s": used.cpu_seconds}
