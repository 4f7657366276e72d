"""What a process uses while nothing is to be done, and its memory then: ours, the usual stack's, and neither.

The processes of a side run at the same time, as in a small deployment, and each is measured by itself. In place of a
message there is a second: `cpu_us` is CPU µs per second, and `core_share` the share of a core.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from common.contracts import topics
from yardstick.growth.drain import rest
from yardstick.parts.conversation import USUAL as USUAL_CONVERSATION
from yardstick.parts.ingress import BARE, PYWA
from yardstick.parts.part import Bench, Part, in_rounds
from yardstick.parts.sender import USUAL as USUAL_SENDER
from yardstick.rig.machine import used
from yardstick.rig.measurements import Measurement, between, cpu_of, usage
from yardstick.rig.program import Program
from yardstick.rig.rig import Rig, fresh_name
from yardstick.rounds import Side
from yardstick.services import ingress as endpoints
from yardstick.services.conversation import conversation
from yardstick.services.sender import Graph, account_records, sender
from yardstick.services.usual import OUT, with_httpx, with_motor

_SETTLE_SECONDS: Final = 3.0
_IDLE_SECONDS: Final = 10
_MOST_ROUNDS: Final = 3  # it changes little from one to the next

Programs = Callable[[str], Mapping[str, Program]]


def _none(_: str) -> Mapping[str, Program]:
    return {}


def _ours(rig: Rig, graph: str, interpreter: str, ending: str, name: str) -> Mapping[str, Program]:
    return {
        f"ingress{ending}": endpoints.ingress(rig, interpreter=interpreter).program,
        f"conversation{ending}": conversation(rig, name, name, interpreter=interpreter),
        f"sender{ending}": sender(rig, graph, name, name, interpreter=interpreter),
    }


def _usual(rig: Rig, graph: str, name: str) -> Mapping[str, Program]:
    return {
        BARE: endpoints.bare_asgi(rig).program,
        PYWA: endpoints.pywa(rig).program,
        USUAL_CONVERSATION: with_motor(rig, name, 1),
        USUAL_SENDER: with_httpx(rig, fresh_name(), 64, graph),
    }


@asynccontextmanager
async def _sides(bench: Bench) -> AsyncIterator[dict[str, Side]]:
    rig, graph = bench.rig, Graph(bench.rig)
    await rig.fresh_topics(*topics.ALL, OUT)
    await rig.fill(account_records())
    sides: dict[str, Programs] = {
        "alone": _none,
        **{
            f"with ours{ending}": partial(_ours, rig, graph.url, interpreter, ending)
            for ending, interpreter in bench.ours("").items()
        },
        "with the usual stack": partial(_usual, rig, graph.url),
    }
    async with graph.program:
        yield {side: partial(_run, rig, side, programs) for side, programs in sides.items()}


async def _run(rig: Rig, side: str, programs: Programs) -> dict[str, Measurement]:
    name = fresh_name()
    async with rig.database(name), AsyncExitStack() as stack:
        running = {each: await stack.enter_async_context(program) for each, program in programs(name).items()}
        await rest(list(running.values()))
        await asyncio.sleep(_SETTLE_SECONDS)
        before = {each: usage(program, {}) for each, program in running.items()}
        beside = cpu_of(rig.pids)
        await asyncio.sleep(_IDLE_SECONDS)
        return {
            **{each: between(before[each], usage(program, {}), _IDLE_SECONDS) for each, program in running.items()},
            **{f"{each} {side}": _server(pid, beside[each]) for each, pid in rig.pids.items()},
        }


def _server(pid: int, cpu_before: float) -> Measurement:
    """What the broker or mongod has used meanwhile."""
    now = used(pid)
    return Measurement(1.0, (now.cpu_seconds - cpu_before) / _IDLE_SECONDS * 1e6, now.memory_bytes)


PART: Final = Part(
    "idle", "CPU and memory while nothing is to be done", 3, 1, (), in_rounds("idle", _sides, at_most=_MOST_ROUNDS)
)
