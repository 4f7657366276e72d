"""The cost of telemetry: each service without metrics, with metrics, and with a share of the exchanges traced.

The sides are the same service with other settings, interleaved; costs are CPU µs per message of the service's process,
the thread that sends the spans included. Spans go to a receiver on the cores of the rest.
"""

import timeit
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from statistics import median
from typing import Any, Final

import aiohttp
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, Counter, Histogram

from common.contracts import topics
from yardstick.load.webhooks import webhook_records
from yardstick.rig.measurements import Measurement, Span, paired, watch
from yardstick.rig.program import Program, python
from yardstick.rig.rig import Rig, Say, free_port, fresh_name
from yardstick.rounds import Rounds, Side, Sizes, interleaved
from yardstick.services.conversation import conversation
from yardstick.services.ingress import ingress, load
from yardstick.services.sender import Graph, account_records, send_records, sender

OFF: Final = "nothing"
_SIDES: Final[Mapping[str, float | None]] = {OFF: None, "metrics": 0.0, "1 % traced": 0.01, "all traced": 1.0}
"""The share of exchanges that each side traces; None: no metrics either."""

_CUSTOMERS: Final = 4_000
_CALLS: Final = 200_000

Settings = dict[str, str]


def settings_of(share: float | None, receiver: str) -> Settings:
    """A side's settings."""
    if share is None:
        return {"METRICS": "off"}
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver, "TRACE_SAMPLE_RATIO": str(share)} if share else {}


async def telemetry(rig: Rig, sizes: Sizes, rounds: int, say: Say) -> dict[str, Any]:
    """Measure everything; the JSON."""
    port = free_port()
    command = python("otlp_receiver", "--port", str(port), "--quiet")
    receiver = f"http://127.0.0.1:{port}"
    found: dict[str, Any] = {"calls": calls()}
    async with rig.helper("otlp_receiver", command, f"{receiver}/traces"):
        for name, sides in {"ingress": _webhooks, "conversation": _messages, "sender": _sends}.items():
            async with sides(rig, sizes, receiver) as running:
                found[name] = _costs(await interleaved(name, running, rounds, say))
    return found


def _costs(measured: Rounds) -> dict[str, dict[str, float]]:
    """By side: the median CPU µs of a message, and the paired ratio to the side without anything."""
    bare = [one.cpu_us for one in measured[OFF]]
    return {
        side: {
            "cpuUs": median(one.cpu_us for one in measurements),
            "ratio": paired([one.cpu_us for one in measurements], bare),
        }
        for side, measurements in measured.items()
    }


def calls() -> dict[str, float]:
    """The cost of one call in µs, of Prometheus' client and of OpenTelemetry's SDK."""
    registry = CollectorRegistry()
    counter, histogram = Counter("c", "c", ["a"], registry=registry).labels("b"), Histogram("h", "h", registry=registry)
    meter = MeterProvider(metric_readers=[InMemoryMetricReader()]).get_meter("bench")
    theirs, many = meter.create_counter("c"), meter.create_histogram("h")
    return {
        "prometheus counter": _call(counter.inc),
        "prometheus histogram": _call(lambda: histogram.observe(0.02)),
        "opentelemetry counter": _call(lambda: theirs.add(1, {"a": "b"})),
        "opentelemetry histogram": _call(lambda: many.record(0.02, {"a": "b"})),
    }


def _call(call: Callable[[], object]) -> float:
    return min(timeit.repeat(call, number=_CALLS, repeat=5)) / _CALLS * 1e6


Sides = AsyncIterator[dict[str, Side]]


def _each(run: Callable[[float | None], Any]) -> dict[str, Side]:
    return {name: partial(run, share) for name, share in _SIDES.items()}


@asynccontextmanager
async def _webhooks(rig: Rig, sizes: Sizes, receiver: str) -> Sides:
    await rig.fresh_topics(*topics.ALL)

    async def run(share: float | None) -> Measurement:
        endpoint = ingress(rig, **settings_of(share, receiver))
        async with endpoint.program as program:
            await load(endpoint.port, seconds=sizes.seconds / 3)
            before = program.used()
            said = await load(endpoint.port, seconds=sizes.seconds)
            cpu = program.used().cpu_seconds - before.cpu_seconds
        return Measurement(said["perSecond"], cpu / said["sent"] * 1e6)

    await run(None)  # the broker's compiler needs a while
    yield _each(run)


@asynccontextmanager
async def _messages(rig: Rig, sizes: Sizes, receiver: str) -> Sides:
    await rig.fresh_topics(*topics.ALL)
    await rig.fill(account_records())

    async def run(share: float | None) -> Measurement:
        await rig.fresh_topics(topics.WEBHOOKS)
        await rig.fill(webhook_records(sizes.messages, customers=_CUSTOMERS, followed=share or 0.0))
        name = fresh_name()
        more = settings_of(share, receiver)
        async with rig.database(name) as database, conversation(rig, name, name, **more) as program:

            async def progress() -> int:
                return int(await database["messages"].estimated_document_count())

            return await _worked_off(program, progress, sizes.messages, sizes.seconds)

    yield _each(run)


@asynccontextmanager
async def _sends(rig: Rig, sizes: Sizes, receiver: str) -> Sides:
    await rig.fresh_topics(*topics.ALL)
    await rig.fill(account_records())
    await rig.fill(send_records(sizes.sends))
    graph = Graph(rig)
    async with graph.program, aiohttp.ClientSession() as http:

        async def run(share: float | None) -> Measurement:
            began, name = (await graph.stats(http))["count"], fresh_name()
            more = settings_of(share, receiver)
            async with rig.database(name), sender(rig, graph.url, name, name, **more) as program:

                async def progress() -> int:
                    return int((await graph.stats(http))["count"] - began)

                return await _worked_off(program, progress, sizes.sends, sizes.seconds)

        await run(None)
        yield _each(run)


async def _worked_off(program: Program, progress: Any, total: int, seconds: float) -> Measurement:
    return await watch(program, progress, Span(total, min(total // 10, 500), seconds * 2))


def table(found: Mapping[str, Any]) -> list[str]:
    """The measurements as lines for a terminal."""
    lines = [f"{name:<26}{value:>8.2f} µs a call" for name, value in found["calls"].items()]
    for service in ("ingress", "conversation", "sender"):
        lines.append("")
        lines.extend(
            f"{service:<14}{side:<12}{costs['cpuUs']:>8.1f} µs a message   ÷ nothing {costs['ratio']:.3f}"
            for side, costs in found[service].items()
        )
    return lines
