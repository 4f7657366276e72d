"""One run: start everything, scrape it, run traffic and incidents, and keep the data of each panel."""

import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientSession

from panels.boards import filled, queries_of, rate_interval, read, selectors
from panels.incidents import Incident, Incidents, onboard
from panels.prometheus import SCRAPE_SECONDS, Prometheus, Span, Watch, program, scraping
from panels.traffic import TENANTS, Traffic
from testbed.client import Client
from testbed.plan import SERVICES, Choices
from testbed.system import System
from testbed.traces import receiving

Json = dict[str, Any]

REPLICAS: Final = {"ingress": 1, "conversation": 2, "sender": 2}
_CALM_SECONDS: Final = 60.0
_TRACED: Final = "0.02"


def run(*, rate: float, outage: float, say: Callable[[str], None]) -> Json:
    """The result as JSON: `span`, `incidents`, `alerts`; `results` and `exemplars` by the dashboards' PromQL.

    Raises `StepFailed`, `SystemFailed` or the local stack's errors when something cannot be started.
    """
    program()
    with receiving() as receiver:
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver, "TRACE_SAMPLE_RATIO": _TRACED}
        choices = Choices(extra=dict.fromkeys((*SERVICES, "ai_responder"), traced), replicas=REPLICAS)
        with (
            System(choices=choices, say=say) as system,
            tempfile.TemporaryDirectory(prefix="whatsapp-cloud-prometheus-") as folder,
            scraping(targets_of(system), Path(folder)) as url,
        ):
            return asyncio.run(_seen(system, url, rate, outage, say))


def targets_of(system: System) -> Mapping[str, Mapping[str, str]]:
    """The processes of each service, with their addresses."""
    return {
        service: {name: system.urls[name].removeprefix("http://") for name in system.names(service)}
        for service in SERVICES
    }


async def _seen(system: System, url: str, rate: float, outage: float, say: Callable[[str], None]) -> Json:
    async with ClientSession() as session:
        prometheus = Prometheus(session, url)
        await prometheus.ready()
        client = Client(session, system.urls, system.secret)
        tokens: dict[str, str] = {}
        for tenant in TENANTS:
            await onboard(client, tokens, tenant)
        watch = Watch(prometheus)
        watching = asyncio.create_task(watch.look())
        began = time.time()
        incidents = await _play(
            Traffic(client, rate, random.Random(7)), Incidents(system, client, tokens, outage).all(), say
        )
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        span = Span(began, time.time())
        return await _answers(prometheus, span) | {
            "incidents": incidents,
            "alerts": await _alerts(prometheus, watch, span),
        }


async def _play(traffic: Traffic, incidents: Sequence[Incident], say: Callable[[str], None]) -> list[Json]:
    going = asyncio.create_task(traffic.run())
    happened: list[Json] = []
    for incident in incidents:
        await asyncio.sleep(incident.after)
        began = time.time()
        say(incident.name)
        await incident.deed()
        happened.append({"name": incident.name, "start": began, "end": time.time()})
    await asyncio.sleep(_CALM_SECONDS)
    traffic.stop()
    await going
    return happened


async def _answers(prometheus: Prometheus, span: Span) -> Json:
    """The data of every query of every panel over the span."""
    rate_seconds = rate_interval(SCRAPE_SECONDS, span.step)
    variables = {"chatbot_id": [tenant.chatbot_id for tenant in TENANTS]}
    results, exemplars = {}, {}
    for query in queries_of(read()):
        promql = filled(query.promql, variables, rate_seconds)
        results[query.promql] = await prometheus.range(promql, span)
        if query.exemplars:
            exemplars[query.promql] = await prometheus.exemplars(promql, span)
    return {"span": asdict(span), "results": results, "exemplars": exemplars}


async def _alerts(prometheus: Prometheus, watch: Watch, span: Span) -> list[Json]:
    """For each alert: its highest state, and which of its series exist."""
    seconds = int(span.end - span.start)
    return [
        {
            "name": rule["name"],
            "state": watch.states.get(rule["name"], "inactive"),
            "firedAt": watch.fired_at.get(rule["name"]),
            "reads": {
                selector: len(await prometheus.instant(f"last_over_time({selector}[{seconds}s])"))
                for selector in selectors(rule["query"])
            },
        }
        for rule in await prometheus.alerts()
    ]
