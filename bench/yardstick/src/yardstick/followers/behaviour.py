"""How a follower behaves when something is wrong: all kinds meet each fault at once; the answer is what was seen."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from local_stack import LocalStack
from yardstick.followers.notes import lateness_ms, missing, repeated
from yardstick.followers.stage import Stage
from yardstick.followers.work import KINDS
from yardstick.rig.rig import Say

_LONE: Final = 15
_APART_SECONDS: Final = 0.83
_FAILING_SECONDS: Final = 5.0
_AWAY_SECONDS: Final = 15.0
_PATIENCE_SECONDS: Final = 10.0
_LONG_SECONDS: Final = 45.0
_FIRST: Final = [f"first-{n}" for n in range(5)]
_LATER: Final = [f"later-{n}" for n in range(5)]


async def behaviour(say: Say) -> dict[str, dict[str, str]]:
    """By fault and kind: what was seen."""
    found: dict[str, dict[str, str]] = {}
    stack = LocalStack()
    await asyncio.to_thread(stack.start)
    try:
        with TemporaryDirectory(prefix="followers-") as folder:
            for fault, probe in PROBES.items():
                together = asyncio.Barrier(len(KINDS))
                stages = {kind: Stage.new(stack, kind, together, Path(folder)) for kind in KINDS}
                async with asyncio.TaskGroup() as group:
                    tasks = {kind: group.create_task(probe(stage)) for kind, stage in stages.items()}
                found[fault] = {kind: task.result() for kind, task in tasks.items()}
                for kind, seen in found[fault].items():
                    say(f"{fault:<34}{kind:<12}{seen}")
    finally:
        await asyncio.to_thread(stack.stop)
    return found


async def _lone(stage: Stage) -> str:
    await stage.make_topic()
    async with stage.member():
        await stage.write([str(time.time())])
        await stage.wait_for(lambda notes: bool(notes.given), _PATIENCE_SECONDS)
        for _ in range(_LONE):
            await asyncio.sleep(_APART_SECONDS)
            await stage.write([str(time.time())])
        await stage.wait_for(lambda notes: len(notes.given) > _LONE, _PATIENCE_SECONDS)
    late = lateness_ms(stage.notes)[1:]
    return f"{median(late):.0f} ms, at most {max(late):.0f} ms"


async def _failing(stage: Stage) -> str:
    await stage.make_topic()
    stage.fails.touch()
    await stage.write(_FIRST)
    async with stage.member() as program:
        await stage.wait_for(lambda notes: notes.failed > 0, _PATIENCE_SECONDS)
        lines, before = len(program.lines()), stage.notes.failed
        await asyncio.sleep(_FAILING_SECONDS)
        attempts, said = stage.notes.failed - before, len(program.lines()) - lines
        stage.fails.unlink()
        await _end(stage, [*_FIRST])
    rate = f"{attempts / _FAILING_SECONDS:,.1f} attempts/s, {said / _FAILING_SECONDS:,.0f} lines/s"
    return f"{rate}; {_result(stage, _FIRST)}"


async def _odd(stage: Stage, write: Callable[[], Awaitable[None]]) -> str:
    await stage.make_topic()
    await stage.write(_FIRST)
    await write()
    await stage.write(_LATER)
    async with stage.member() as program:
        await _end(stage, [*_FIRST, *_LATER])
        lines = len(program.lines()) - 1
        await stage.write(["last"])
        await _end(stage, ["last"])
    written = [*_FIRST, "odd", *_LATER, "last"]
    return f"{_result(stage, written)}; {await stage.committed()} committed, {lines} lines"


async def _no_value(stage: Stage) -> str:
    return await _odd(stage, lambda: stage.write(["odd"], [("h", None)]))


async def _no_text(stage: Stage) -> str:
    return await _odd(stage, lambda: stage.write(["odd"], [("h", b"\xff")]))


async def _no_name(stage: Stage) -> str:
    return await _odd(stage, lambda: stage.write_with_odd_name("odd"))


async def _away(stage: Stage) -> str:
    await stage.make_topic()
    await stage.write(_FIRST)
    async with stage.member() as program:
        await _end(stage, _FIRST)
        await asyncio.sleep(1.0)
        before = len(program.lines())
        await stage.lose_kafka()
        await asyncio.sleep(_AWAY_SECONDS)
        said = len(program.lines()) - before
        await stage.give_kafka_back()
        seconds = await _seconds_until_handled(stage, _LATER)
    return f"{said} lines in {_AWAY_SECONDS:.0f} s; reads {seconds} after it is back; {_result(stage, _FIRST + _LATER)}"


async def _away_at_start(stage: Stage) -> str:
    await stage.make_topic()
    await stage.lose_kafka()
    async with stage.member() as program:
        await asyncio.sleep(_FAILING_SECONDS * 2)
        ended, said = not program.running, len(program.lines()) - 1
        await stage.give_kafka_back()
        seconds = "" if ended else await _seconds_until_handled(stage, _LATER)
    return "the process ends" if ended else f"{said} lines; reads {seconds} after it is back"


async def _late_topic(stage: Stage) -> str:
    async with stage.member() as program:
        await asyncio.sleep(_FAILING_SECONDS)
        if not program.running:
            return "the process ends"
        said = program.lines()
        named = any(stage.topic in line and "missing" in line for line in said)
        await stage.make_topic()
        seconds = await _seconds_until_handled(stage, _LATER)
    return f"{'says which is missing' if named else 'says nothing of it'}; reads {seconds} after it is made"


async def _stop(stage: Stage) -> str:
    await stage.make_topic()
    await stage.write(_FIRST)
    async with stage.member():
        await _end(stage, _FIRST)
        began = time.monotonic()
    seconds = time.monotonic() - began
    left = await stage.members() == 0
    return f"ends after {seconds:.1f} s, {'has left the group' if left else 'is still in the group'}"


async def _stop_while_away(stage: Stage) -> str:
    await stage.make_topic()
    await stage.write(_FIRST)
    async with stage.member():
        await _end(stage, _FIRST)
        await stage.lose_kafka()
        await asyncio.sleep(2.0)
        began = time.monotonic()
    seconds = time.monotonic() - began
    await stage.give_kafka_back()
    return f"ends after {seconds:.1f} s"


async def _seconds_until_handled(stage: Stage, values: list[str]) -> str:
    began = time.monotonic()
    await stage.write(values)
    handled = await stage.wait_for(lambda notes: not missing(notes, values), _LONG_SECONDS)
    return f"{time.monotonic() - began:.1f} s" if handled else f"nothing within {_LONG_SECONDS:.0f} s"


async def _end(stage: Stage, values: list[str]) -> None:
    await stage.wait_for(lambda notes: not missing(notes, values), _PATIENCE_SECONDS)


def _result(stage: Stage, written: list[str]) -> str:
    notes = stage.notes
    return f"{len(written) - missing(notes, written)} of {len(written)} handled, {repeated(notes)} again"


PROBES: Final[Mapping[str, Callable[[Stage], Coroutine[None, None, str]]]] = {
    "a lone record is handled after": _lone,
    "the handler raises Unavailable": _failing,
    "a header without a value": _no_value,
    "a header value that is no UTF-8": _no_text,
    "a header name that is no UTF-8": _no_name,
    "Kafka is away for a while": _away,
    "Kafka is away at the start": _away_at_start,
    "the topic is made later": _late_topic,
    "SIGTERM": _stop,
    "SIGTERM while Kafka is away": _stop_while_away,
}
