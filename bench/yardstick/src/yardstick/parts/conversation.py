"""Conversation at full load, beside FastStream with motor and a bare loop of its transaction."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from common.contracts import topics
from yardstick.load.webhooks import webhook_records
from yardstick.parts.part import BEFORE, Bench, Part, in_rounds
from yardstick.report.goals import Goal, Ratio, rate
from yardstick.rig.measurements import Measurement, Span, watch
from yardstick.rig.program import Program
from yardstick.rig.rig import fresh_name
from yardstick.rounds import Side
from yardstick.services.conversation import conversation
from yardstick.services.sender import account_records
from yardstick.services.usual import BATCH, OUT, bare_transaction, with_motor

CUSTOMERS: Final = 4_000
USUAL: Final = "FastStream + motor"
_FLOOR: Final = "bare transaction"
_SOURCE: Final = "bench_source"

_GOALS: Final = (
    Goal(
        "conversation_usual",
        "conversation msgs/s ÷ FastStream per message + motor (1 worker)",
        20,
        40,
        Ratio("conversation", f"{USUAL}, 1", rate),
    ),
    Goal(
        "conversation_64",
        "conversation msgs/s ÷ the same with 64 workers, which may lose messages",
        4,
        8,
        Ratio("conversation", f"{USUAL}, 64", rate),
    ),
    Goal(
        "conversation_batch",
        "conversation msgs/s ÷ the same with batch=True and bulk writes",
        1,
        2,
        Ratio("conversation", f"{USUAL}, {BATCH}", rate),
    ),
    Goal(
        "conversation_floor",
        "conversation msgs/s ÷ a bare loop of the same transaction",
        0.35,
        0.55,
        Ratio("conversation", _FLOOR, rate),
    ),
    Goal(
        "conversation_before",
        "conversation msgs/s ÷ the commit before",
        0.97,
        1.15,
        Ratio("conversation", "conversation" + BEFORE, rate),
    ),
)


@asynccontextmanager
async def _sides(bench: Bench) -> AsyncIterator[dict[str, Side]]:
    """A full topic of messages, processed by each side. The first run makes the documents of the lower bound."""
    rig, sizes = bench.rig, bench.sizes
    await rig.fresh_topics(*topics.ALL, OUT)
    await rig.fill(account_records())
    await rig.fill(webhook_records(sizes.messages, customers=CUSTOMERS))

    async def run(make: Callable[[str], Program]) -> Measurement:
        name = fresh_name()
        async with rig.database(name) as database, make(name) as program:

            async def progress() -> int:
                return int(await database["messages"].estimated_document_count())

            span = Span(sizes.messages, min(sizes.messages // 10, 500), sizes.seconds * 1.5)
            return await watch(program, progress, span, rig.pids)

    async with rig.database(_SOURCE) as source:
        async with conversation(rig, _SOURCE, group=fresh_name()) as program:

            async def written() -> int:
                return int(await source["messages"].estimated_document_count())

            await watch(program, written, Span(sizes.messages, 0, 120.0))
        makers: dict[str, Callable[[str], Program]] = {
            **{name: partial(_ours, bench, interpreter) for name, interpreter in bench.ours("conversation").items()},
            **{f"{USUAL}, {workers}": partial(with_motor, rig, workers=workers) for workers in (1, 64, BATCH)},
            _FLOOR: partial(bare_transaction, rig, source=_SOURCE),
        }
        yield {name: partial(run, make) for name, make in makers.items()}


def _ours(bench: Bench, interpreter: str, name: str) -> Program:
    return conversation(bench.rig, name, group=name, interpreter=interpreter)


PART: Final = Part("conversation", "messages from a full topic", 4.5, 1, _GOALS, in_rounds("conversation", _sides))
