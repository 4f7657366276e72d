"""The dimensions that grow: conversations, tenants, partitions, replicas.

A dimension is a list of steps; everything but the size is the same in each of them. Each step has topics, a database
and a consumer group of its own. What waits is `backlogs`' to grow.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from common.contracts import topics
from yardstick.growth.drain import drain, group_of, mongod_of, rest
from yardstick.growth.seeding import records, seed
from yardstick.growth.steps import MIB, Step, step_of
from yardstick.rig.program import Program
from yardstick.rig.rig import PARTITIONS, Rig, fresh_name
from yardstick.services.conversation import conversation
from yardstick.services.ingress import ingress
from yardstick.services.sender import Graph, account_records, send_records, sender

_CHATBOTS: Final = 240
_CONVERSATIONS: Final = 1_000
_ALL_IN_MEMORY: Final = "100000"


async def conversations(rig: Rig, sizes: Sequence[int], messages: int) -> list[Step]:
    """Conversations in MongoDB, all of which are written to in turn."""
    return [await _inbound(rig, size, messages, seeded=size) for size in sizes]


async def tenants(rig: Rig, sizes: Sequence[int], messages: int) -> list[Step]:
    """Accounts, each with equally many sends. The cost of reading accounts in each service is `extra`."""
    return [await _tenants(rig, size, messages) for size in sizes]


async def conversation_partitions(rig: Rig, sizes: Sequence[int], messages: int) -> list[Step]:
    """Partitions of every topic, of which conversation reads two."""
    return [await _inbound(rig, size, messages, partitions=size) for size in sizes]


async def sender_partitions(rig: Rig, sizes: Sequence[int], messages: int) -> list[Step]:
    """Partitions of every topic, of which the sender reads five."""
    return [await _outbound(rig, size, messages, partitions=size) for size in sizes]


async def replicas(rig: Rig, sizes: Sequence[int], messages: int) -> list[Step]:
    """Processes of conversation in one group, all on one core: it shows the cost of a larger group, not its gain."""
    return [await _inbound(rig, size, messages, processes=size) for size in sizes]


async def _inbound(
    rig: Rig,
    size: int,
    messages: int,
    *,
    seeded: int = _CONVERSATIONS,
    partitions: int = PARTITIONS,
    processes: int = 1,
) -> Step:
    name = fresh_name()
    await rig.fresh_topics(*topics.ALL, partitions=partitions)
    await rig.fill(account_records())
    async with (
        rig.database(name) as database,
        group_of(rig, name, topics.WEBHOOKS) as group,
        AsyncExitStack() as running,
    ):
        mongod = await mongod_of(database)
        await seed(rig, name, seeded, mongod)
        programs = [await running.enter_async_context(conversation(rig, name, name)) for _ in range(processes)]
        measurements, beside = await drain(rig, group, programs, records(seeded, messages), mongod)
    return step_of(size, measurements, mongod_us=beside)


async def _outbound(
    rig: Rig, size: int, messages: int, *, chatbots: int = _CHATBOTS, partitions: int = PARTITIONS
) -> Step:
    """Every chatbot has sent before: its first message also asks for its token and its limit, which is `extra`."""
    name, graph = fresh_name(), Graph(rig)
    await rig.fresh_topics(*topics.ALL, partitions=partitions)
    await rig.fill(account_records(chatbots))
    async with (
        rig.database(name) as database,
        group_of(rig, name, topics.SEND) as group,
        graph.program,
        sender(rig, graph.url, name, name, SENDER_SESSION_RECORDS=_ALL_IN_MEMORY) as program,
    ):
        started = program.used()
        mongod = await mongod_of(database)
        await drain(rig, group, [program], list(send_records(chatbots, chatbots=chatbots)), mongod)
        await rest([program])
        first = program.used().cpu_seconds - started.cpu_seconds
        sends = list(send_records(messages, first=chatbots, chatbots=chatbots))
        measurements, beside = await drain(rig, group, [program], sends, mongod)
    return step_of(size, measurements, mongod_us=beside, start_cpu_s=started.cpu_seconds, first_sends_cpu_s=first)


async def _tenants(rig: Rig, size: int, messages: int) -> Step:
    step = await _outbound(rig, size, messages, chatbots=size)
    name = fresh_name()
    async with rig.database(name), conversation(rig, name, name) as program:
        step.extra.update(await _read("conversation", program))
    async with ingress(rig).program as program:
        step.extra.update(await _read("ingress", program))
    return step


async def _read(name: str, program: Program) -> dict[str, float]:
    """The usage of a service after reading all accounts."""
    used = program.used()
    return {f"{name}_mib": used.memory_bytes / MIB, f"{name}_start_cpu_s": used.cpu_seconds}
