"""Conversation at a given pace, beside the usual stack at the same pace, and at the highest pace that it holds."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from common.contracts import topics
from common.kafka.records import Outgoing
from yardstick.load.webhooks import webhook_records
from yardstick.paced import HIGHEST, PACES, at_paces, highest_held
from yardstick.parts.conversation import CUSTOMERS, USUAL
from yardstick.parts.part import BEFORE, Bench, Part, in_rounds
from yardstick.report.goals import Ratio, all_cpu, at_most, cpu
from yardstick.rig.measurements import Measurement, Span, watch
from yardstick.rig.program import Program
from yardstick.rig.rig import fresh_name
from yardstick.rounds import Side
from yardstick.services.conversation import conversation
from yardstick.services.sender import account_records
from yardstick.services.usual import BATCH, OUT, with_motor

_ONE: Final = f"{USUAL}, 1"
_BATCH: Final = f"{USUAL}, {BATCH}"


def _beside(pace: str) -> Ratio:
    return Ratio(f"conversation at {pace}", f"{_ONE} at {pace}", cpu)


_GOALS: Final = (
    at_most("conversation_20", "conversation CPU ÷ FastStream + motor, both at 20/s", 1.5, 1.0, _beside("20/s")),
    at_most("conversation_100", "conversation CPU ÷ FastStream + motor, both at 100/s", 0.8, 0.5, _beside("100/s")),
    at_most("conversation_highest", "conversation CPU ÷ FastStream + motor at its highest", 0.4, 0.2, _beside(HIGHEST)),
    at_most(
        "conversation_100_before",
        "conversation at 100/s, with broker and mongod ÷ the commit before",
        0.55,
        0.35,
        Ratio("conversation at 100/s", f"conversation{BEFORE} at 100/s", all_cpu),
    ),
)


def _record(number: int) -> Outgoing:
    return next(webhook_records(1, customers=CUSTOMERS, first=number))


@asynccontextmanager
async def _sides(bench: Bench) -> AsyncIterator[dict[str, Side]]:
    rig, seconds = bench.rig, bench.sizes.seconds
    await rig.fresh_topics(*topics.ALL, OUT)
    await rig.fill(account_records())

    async def run(make: Callable[[str], Program], paces: Mapping[str, float]) -> dict[str, Measurement]:
        await rig.fresh_topics(topics.WEBHOOKS, topics.SEND_RESULTS)  # without the records of earlier runs
        name = fresh_name()
        async with rig.database(name) as database, make(name) as program:

            async def progress() -> int:
                return int(await database["messages"].estimated_document_count())

            return await at_paces(rig, program, progress, _record, paces, seconds)

    async def named(side: str, make: Callable[[str], Program], paces: Mapping[str, float]) -> dict[str, Measurement]:
        return {f"{side} at {pace}": found for pace, found in (await run(make, paces)).items()}

    makers = {name: partial(_ours, bench, interpreter) for name, interpreter in bench.ours("conversation").items()}
    await run(makers["conversation"], {"1000/s": PACES["1000/s"]})  # warms up the broker's JVM
    usual = partial(with_motor, rig, workers=1)

    async def at(rate: float) -> Measurement:
        return (await run(usual, {"": rate}))[""]

    highest = {HIGHEST: await highest_held(at, await _full(bench, usual), bench.say)}
    slow = {name: PACES[name] for name in ("20/s", "100/s")}
    many = {name: PACES[name] for name in ("100/s", "1000/s")}
    yield {
        **{name: partial(named, name, make, PACES | highest) for name, make in makers.items()},
        _ONE: partial(named, _ONE, usual, slow | highest),
        _BATCH: partial(named, _BATCH, partial(with_motor, rig, workers=BATCH), many),
    }


async def _full(bench: Bench, make: Callable[[str], Program]) -> float:
    """The rate of the usual stack with a full topic."""
    rig, sizes, name = bench.rig, bench.sizes, fresh_name()
    await rig.fresh_topics(topics.WEBHOOKS)
    await rig.fill(webhook_records(sizes.messages // 4, customers=CUSTOMERS))
    async with rig.database(name) as database, make(name) as program:

        async def progress() -> int:
            return int(await database["messages"].estimated_document_count())

        return (await watch(program, progress, Span(sizes.messages // 4, 100, sizes.seconds))).per_second


def _ours(bench: Bench, interpreter: str, name: str) -> Program:
    return conversation(bench.rig, name, group=name, interpreter=interpreter)


PART: Final = Part(
    "conversation-paced",
    "messages at 20, 100 and 1,000/s, and at the highest pace of the usual stack",
    8,
    3,
    _GOALS,
    in_rounds("conversation paced", _sides),
)
