"""NestJS with BullMQ on Redis, as such modules are usually written first, as a side for webhooks and for sends.

It is made by `bench/baselines/nestjs/prepare.sh` (npm, and redis-server from Debian). Redis keeps its journal as BullMQ
recommends: to disk every second, which promises less than Kafka's acknowledgement.
"""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from yardstick.load.webhooks import SECRET
from yardstick.rig.program import Program
from yardstick.rig.rig import Rig, free_port
from yardstick.services.ingress import Endpoint

_FOLDER: Final = Path(__file__).parents[4] / "baselines" / "nestjs"


def prepare() -> None:
    """Install and compile what is missing. Raises `CalledProcessError`."""
    subprocess.run([str(_FOLDER / "prepare.sh")], check=True)


class Nest:
    """The compiled application on one Redis."""

    def __init__(self, rig: Rig, redis_port: int) -> None:
        self._rig = rig
        self._url = f"redis://127.0.0.1:{redis_port}"
        self._port = redis_port

    def ingress(self, rig: Rig) -> Endpoint:
        """The mode that takes webhooks."""
        port = free_port()
        return Endpoint(self._program(rig, port, MODE="ingress", APP_SECRET=SECRET), port)

    def sender(self, graph_url: str) -> Program:
        """The mode that processes the queue of sends."""
        return self._program(self._rig, free_port(), MODE="sender", GRAPH_BASE_URL=graph_url)

    async def fill(self, count: int) -> None:
        """An empty Redis, and that many sends in its queue."""
        await self._run("redis-cli", "-p", str(self._port), "FLUSHALL")
        await self._run("node", str(_FOLDER / "dist" / "fill.js"), COUNT=str(count), PHONE_NUMBER_ID="106540352200000")

    async def clear(self) -> None:
        """Empty the queue, because nothing consumes the webhooks' jobs."""
        await self._run("redis-cli", "-p", str(self._port), "FLUSHALL")

    def _program(self, rig: Rig, port: int, **environment: str) -> Program:
        settings = {"PORT": str(port), "REDIS_URL": self._url, "NODE_ENV": "production", **environment}
        command = ["node", str(_FOLDER / "dist" / "main.js")]
        return Program("nestjs", command, settings, rig.cores.service, f"http://127.0.0.1:{port}/health", _FOLDER)

    async def _run(self, *command: str, **environment: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, "REDIS_URL": self._url, **environment}, stdout=asyncio.subprocess.DEVNULL
        )
        if await process.wait():
            raise RuntimeError(f"{command[0]} ended with {process.returncode}")


@asynccontextmanager
async def nest(rig: Rig) -> AsyncIterator[Nest]:
    """The application with its own Redis, which stops with it."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--save", "", "--appendonly", "yes", "--dir", folder]
        async with rig.helper("redis", command):
            await _answers(port)
            yield Nest(rig, port)


async def _answers(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
