"""Conversation at a given pace, beside the usual stack at the same pace, and at the highest pace that it holds."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from common.contracts import topics
from common.kafka.records import Outgoing
from yardstick.load.webhooks import webhook_records
from yardstick.paced import HIGHEST, PACES, Progress
from yardstick.paced_stand import Stand
from yardstick.parts.conversation import CUSTOMERS, USUAL
from yardstick.parts.part import BEFORE, Bench, Part, in_rounds
from yardstick.report.goals import Ratio, all_cpu, at_most, cpu
from yardstick.rig.program import Program
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


def _backlog(count: int) -> Iterator[Outgoing]:
    return webhook_records(count, customers=CUSTOMERS)


def _stored(database: Any) -> Progress:
    async def stored() -> int:
        return int(await database["messages"].estimated_document_count())

    return stored


@asynccontextmanager
async def _sides(bench: Bench) -> AsyncIterator[dict[str, Side]]:
    rig = bench.rig
    both = (topics.WEBHOOKS, topics.SEND_RESULTS)
    stand = Stand(rig, bench.sizes.seconds, both, _record, _backlog, _stored)
    await rig.fresh_topics(*topics.ALL, OUT)
    await rig.fill(account_records())
    ours = {name: partial(_ours, bench, interpreter) for name, interpreter in bench.ours("conversation").items()}
    one, batch = (partial(with_motor, rig, workers=workers) for workers in (1, BATCH))
    await stand.run(ours["conversation"], {"1000/s": PACES["1000/s"]})  # warms up the broker's JVM
    highest = {HIGHEST: await stand.highest(one, bench.sizes.messages // 4, bench.say)}
    slow = {name: PACES[name] for name in ("20/s", "100/s")}  # one worker does not hold 1,000/s
    many = {name: PACES[name] for name in ("100/s", "1000/s")}
    yield {
        **{name: partial(stand.run, make, PACES | highest, name) for name, make in ours.items()},
        _ONE: partial(stand.run, one, slow | highest, _ONE),
        _BATCH: partial(stand.run, batch, many, _BATCH),
    }


def _ours(bench: Bench, interpreter: str, name: str) -> Program:
    return conversation(bench.rig, name, group=name, interpreter=interpreter)


PART: Final = Part(
    "conversation-paced",
    "messages at 20, 100 and 1,000/s, and at the highest pace of the usual stack",
    7,
    3,
    _GOALS,
    in_rounds("conversation paced", _sides),
)
