"""A real Prometheus: its configuration, its process, its API."""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientError, ClientSession

from local_stack.ports import free_ports
from testbed.client import StepFailed, eventually

ALERTS: Final = Path(__file__).resolve().parents[4] / "deploy" / "prometheus" / "alerts.yml"
SCRAPE_SECONDS: Final = 5

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time, Unix seconds, looked at every `step` seconds."""

    start: float
    end: float
    step: int = SCRAPE_SECONDS


def configuration(targets: Mapping[str, Mapping[str, str]], rules: Path = ALERTS) -> str:
    """prometheus.yml for `targets`: for each job, its processes with their addresses.

    It is JSON, which is valid YAML. `instance` is the name of the process, because ports differ with each run.
    """
    jobs = [
        {
            "job_name": job,
            "static_configs": [
                {"targets": [address], "labels": {"instance": name}} for name, address in processes.items()
            ],
        }
        for job, processes in targets.items()
    ]
    every = f"{SCRAPE_SECONDS}s"
    timing = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
    return json.dumps({"global": timing, "rule_files": [str(rules)], "scrape_configs": jobs}, indent=1)


def program() -> str:
    """The path of Prometheus. Raises `StepFailed` when it is missing."""
    found = shutil.which("prometheus")
    if found is None:
        raise StepFailed("prometheus is not there: install it (Debian: apt-get install prometheus)")
    return found


@contextmanager
def scraping(targets: Mapping[str, Mapping[str, str]], folder: Path) -> Iterator[str]:
    """Run Prometheus during the block, with its data in `folder`. Gives its base URL. Raises `StepFailed`."""
    (port,) = free_ports(1)
    config = folder / "prometheus.yml"
    config.write_text(configuration(targets), encoding="utf-8")
    command = [
        *(program(), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", "--log.level=warn"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage"),
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


class Prometheus:
    """Its HTTP API."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ready(self) -> None:
        """Wait until it answers. Raises `StepFailed` when that takes too long."""

        async def answers() -> bool:
            try:
                async with self._session.get(f"{self._url}/-/ready") as answer:
                    return answer.status == 200
            except ClientError:
                return False

        await eventually("Prometheus is ready", answers)

    async def range(self, promql: str, span: Span) -> list[Json]:
        """`query_range`: series, each with `metric` and `values`. Raises `StepFailed` for an invalid query."""
        asked = {"query": promql, "start": str(span.start), "end": str(span.end), "step": str(span.step)}
        return list((await self._get("query_range", asked))["result"])

    async def instant(self, promql: str) -> list[Json]:
        """`query`, now."""
        return list((await self._get("query", {"query": promql, "time": str(time.time())}))["result"])

    async def exemplars(self, promql: str, span: Span) -> list[Json]:
        """`query_exemplars`: series with their exemplars."""
        asked = {"query": promql, "start": str(span.start), "end": str(span.end)}
        return list(await self._get("query_exemplars", asked))

    async def alerts(self) -> list[Json]:
        """Every alerting rule, with its `query` and `state`."""
        groups = (await self._get("rules", {"type": "alert"}))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    async def _get(self, what: str, asked: Mapping[str, str]) -> Any:
        async with self._session.get(f"{self._url}/api/v1/{what}", params=asked) as answer:
            body = await answer.json()
        if body["status"] != "success":
            raise StepFailed(f"Prometheus refuses {dict(asked)}: {body.get('error')}")
        return body["data"]


class Watch:
    """Watches the alerts: which ones were pending or firing, and when each fired first (Unix seconds)."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self.states: dict[str, str] = {}
        self.fired_at: dict[str, float] = {}

    async def look(self) -> None:
        """Watch until cancelled."""
        while True:
            for rule in await self._prometheus.alerts():
                self._note(rule["name"], rule["state"])
            await asyncio.sleep(SCRAPE_SECONDS)

    def _note(self, name: str, state: str) -> None:
        if state == "firing":
            self.fired_at.setdefault(name, time.time())
        if state == "firing" or self.states.get(name) != "firing":
            kept = self.states.get(name, "inactive")
            self.states[name] = state if state != "inactive" else kept
