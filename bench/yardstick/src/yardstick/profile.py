"""Where a service's CPU time goes, by module: py-spy samples it for some seconds at full load.

Only threads that run Python are seen by it; what the HTTP client's own thread and the garbage of others use is the
difference to the process's CPU time, and is told beside it.
"""

import asyncio
import re
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from common.contracts import topics
from yardstick.load.webhooks import webhook_records
from yardstick.paced import Pace
from yardstick.rig.program import Program, ProgramError
from yardstick.rig.rig import PARTITIONS, Rig, Say, fresh_name
from yardstick.services.conversation import conversation
from yardstick.services.ingress import ingress, load
from yardstick.services.sender import Graph, account_records, send_record, send_records, sender

_WARM_SECONDS: Final = 3.0
_PER_SECOND: Final = 500
_CUSTOMERS: Final = 4_000
_MESSAGES: Final = 90_000
_SENDS: Final = 60_000
_LATENCY_MS: Final = 150.0
_RATE: Final = 1_000.0
_FRAME: Final = re.compile(r"^(?P<function>.*?) \((?P<file>.*?)(?::\d+)?\)$")
_OURS: Final = frozenset({"accounts", "common", "conversation", "ingress", "sender"})
_PACKAGE: Final = re.compile(r"^(?:.*(?:site-packages|/src|lib/python3\.\d+)/)?(?P<path>[^<]+)\.pyx?$")


def module_of(frame: str) -> str:
    """The module of a frame as py-spy writes it: ours in full, others with two names at most, or `other`."""
    found = _FRAME.match(frame)
    path = _PACKAGE.search(found["file"]) if found else None
    if path is None:
        return "other"
    names = path["path"].split("/")
    return ".".join(names if names[0] in _OURS else names[:2])


def by_module(stacks: Iterable[str]) -> Counter[str]:
    """Samples by the module of their innermost frame. A line is `outer;...;inner count`."""
    found: Counter[str] = Counter()
    for line in stacks:
        frames, _, count = line.strip().rpartition(" ")
        if frames:
            found[module_of(frames.split(";")[-1])] += int(count)
    return found


async def profile(rig: Rig, seconds: float, say: Say) -> dict[str, dict[str, Any]]:
    """Profile each service at full load, and the sender at 1,000 sends a second; the JSON."""
    found = {}
    for name, running in _SERVICES.items():
        async with running(rig, seconds) as (program, done):
            await asyncio.sleep(_WARM_SECONDS)
            found[name] = await _look(program, done, seconds)
        say(f"profile {name}: {found[name]['cpuUs']:.1f} µs, {told(found[name]['modules'], 5)}")
    return found


def told(modules: Mapping[str, float], most: int) -> str:
    """The largest shares as a line."""
    return ", ".join(f"{name} {share:.0%}" for name, share in list(modules.items())[:most])


async def _look(program: Program, done: Callable[[], Awaitable[int]], seconds: float) -> dict[str, Any]:
    """CPU µs of one message, the share of it outside of Python's threads, and the shares of modules in what is left."""
    with tempfile.TemporaryDirectory() as folder:
        before, first, began = program.used(), await done(), _main_cpu(program.pid)
        stacks = await _record(program.pid, seconds, Path(folder) / "stacks")
        after, last, ended = program.used(), await done(), _main_cpu(program.pid)
    samples = by_module(stacks)
    total = max(1, samples.total())
    cpu = after.cpu_seconds - before.cpu_seconds
    return {
        "cpuUs": cpu / max(1, last - first) * 1e6,
        "otherThreads": max(0.0, 1 - (ended - began) / cpu) if cpu else 0.0,
        "modules": {name: count / total for name, count in samples.most_common()},
    }


def _main_cpu(pid: int) -> float:
    """CPU seconds of the main thread."""
    (main,) = [thread for thread in psutil.Process(pid).threads() if thread.id == pid]
    return float(main.user_time + main.system_time)


async def _record(pid: int, seconds: float, file: Path) -> list[str]:
    """Collapsed stacks. Raises `ProgramError`."""
    command = [
        Path(sys.executable).with_name("py-spy"),
        "record",
        "--pid",
        pid,
        "--duration",
        round(seconds),
        "--rate",
        _PER_SECOND,
        "--nonblocking",
    ]
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        *("--format", "raw", "--output", str(file)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await process.communicate()
    if process.returncode:
        raise ProgramError(f"py-spy ended with {process.returncode}: {complaint.decode(errors='replace')[-500:]}")
    return await asyncio.to_thread(_lines, file)


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


Running = AsyncIterator[tuple[Program, Callable[[], Awaitable[int]]]]


@asynccontextmanager
async def _ingress(rig: Rig, seconds: float) -> Running:
    await rig.fresh_topics(*topics.ALL)
    endpoint = ingress(rig)
    async with endpoint.program as program:
        loading = asyncio.ensure_future(load(endpoint.port, seconds=seconds + 2 * _WARM_SECONDS))

        async def done() -> int:
            return await _records_in(rig, topics.WEBHOOKS)

        yield program, done
        await loading


@asynccontextmanager
async def _conversation(rig: Rig, seconds: float) -> Running:
    del seconds  # there are enough messages for any time
    await rig.fresh_topics(*topics.ALL)
    await rig.fill(account_records())
    await rig.fill(webhook_records(_MESSAGES, customers=_CUSTOMERS))
    name = fresh_name()
    async with rig.database(name) as database, conversation(rig, name, name) as program:

        async def done() -> int:
            return int(await database["messages"].estimated_document_count())

        yield program, done


@asynccontextmanager
async def _sender(rig: Rig, seconds: float) -> Running:
    del seconds
    await rig.fresh_topics(*topics.ALL)
    await rig.fill(account_records())
    await rig.fill(send_records(_SENDS))
    async with _sending(rig, 0.0) as running:
        yield running


@asynccontextmanager
async def _sender_at_rate(rig: Rig, seconds: float) -> Running:
    del seconds
    await rig.fresh_topics(*topics.ALL)
    await rig.fill(account_records())
    async with _sending(rig, _LATENCY_MS) as running, Pace(rig, send_record, _RATE).running():
        yield running


@asynccontextmanager
async def _sending(rig: Rig, latency_ms: float) -> Running:
    name, graph = fresh_name(), Graph(rig, latency_ms=latency_ms)
    async with graph.program, aiohttp.ClientSession() as http, rig.database(name):

        async def done() -> int:
            return int((await graph.stats(http))["count"])

        async with sender(rig, graph.url, name, name) as program:
            yield program, done


async def _records_in(rig: Rig, topic: topics.Topic) -> int:
    """The number of records in a topic without deletions."""
    async with AIOKafkaConsumer(topic.name, bootstrap_servers=rig.kafka) as consumer:
        ends = await consumer.end_offsets([TopicPartition(topic.name, number) for number in range(PARTITIONS)])
        return int(sum(ends.values()))


_SERVICES: Final = {
    "ingress": _ingress,
    "conversation": _conversation,
    "sender": _sender,
    f"sender at {_RATE:,.0f}/s": _sender_at_rate,
}
