"""Rounds of all clients against one server, in turn, so that a slow minute of the machine affects all of them."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

from outbound_http.certificate import CERTIFICATE
from outbound_http.cores import client_and_server

FLOOR: Final = "raw"
KINDS: Final = (FLOOR, "graph", "pyreqwest", "graph-aiohttp", "aiohttp", "graph-httpx", "httpx")
_AT_MOST: Final = {"httpx": 1_000, "graph-httpx": 1_000}  # calls, because each is slow and fewer are enough
_READY_SECONDS: Final = 20.0
_CLIENT_SECONDS: Final = 600.0

Say = Callable[[str], None]
Rounds = Mapping[str, Sequence[Mapping[str, float]]]


@dataclass(frozen=True, slots=True)
class _Stand:
    """A running server."""

    url: str
    ca: Path
    client_core: int | None


async def run(
    rounds: int, calls: int, kinds: Sequence[str], say: Say, cores: tuple[int, int] | None = None
) -> dict[str, Any]:
    """CPU in µs per call and calls per second, by client and round, and the ratio to the CPU of `raw`.

    `cores` are those of the client and the server; without them two of this process's own.
    """
    seen: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    async with _stand(say, cores or client_and_server()) as stand:
        for number in range(1, rounds + 1):
            for kind in kinds:
                figures = await _client(stand, kind, min(calls, _AT_MOST.get(kind, calls)))
                seen[kind].append({"cpuUs": figures["cpuUs"], "perSecond": figures["perSecond"]})
                say(f"round {number}/{rounds} {kind}: {figures['cpuUs']:.1f} µs, {figures['perSecond']:.0f}/s")
    return {"kinds": seen, "ratios": ratios(seen)}


def ratios(seen: Rounds) -> dict[str, float]:
    """The median over the rounds of a client's CPU ÷ that of `raw` in the same round; None without `raw`."""
    floor = [one["cpuUs"] for one in seen.get(FLOOR, ())]
    return {
        kind: round(median(one["cpuUs"] / low for one, low in zip(figures, floor, strict=True)), 3)
        for kind, figures in seen.items()
        if floor
    }


def table(result: Mapping[str, Any]) -> list[str]:
    """A line of medians for each client, with the ratio of its CPU to that of `raw`."""
    lines = [f"{'client':<14}{'CPU µs/call':>13}{'calls/s':>10}{'ratio':>8}"]
    for kind, figures in result["kinds"].items():
        cpu, speed = (median(one[name] for one in figures) for name in ("cpuUs", "perSecond"))
        ratio = result["ratios"].get(kind)
        lines.append(f"{kind:<14}{cpu:>13.1f}{speed:>10.0f}{'-' if ratio is None else f'{ratio:.2f}':>8}")
    return lines


@asynccontextmanager
async def _stand(say: Say, cores: tuple[int, int] | None) -> AsyncIterator[_Stand]:
    if cores is None:
        say("one core only: the client and the server share it")
    client_core, server_core = cores or (None, None)
    with TemporaryDirectory() as folder:
        server = await _start("server", server_core, "--folder", folder)
        try:
            yield _Stand(f"https://localhost:{await _port(server)}", Path(folder) / CERTIFICATE, client_core)
        finally:
            if server.returncode is None:
                server.terminate()
            await server.communicate()


async def _port(server: asyncio.subprocess.Process) -> int:
    printed = cast("asyncio.StreamReader", server.stdout)
    async with asyncio.timeout(_READY_SECONDS):
        line = (await printed.readline()).decode()
    if not line.startswith("ready "):
        raise RuntimeError(f"the server did not start: {line!r}")
    return int(line.split()[1])


async def _client(stand: _Stand, kind: str, calls: int) -> dict[str, Any]:
    wanted = ("--kind", kind, "--url", stand.url, "--ca", str(stand.ca), "--calls", str(calls))
    client = await _start("client", stand.client_core, *wanted)
    try:
        async with asyncio.timeout(_CLIENT_SECONDS):
            printed, _ = await client.communicate()
    finally:
        if client.returncode is None:
            client.kill()
            await client.wait()
    if client.returncode:
        raise RuntimeError(f"the {kind} client ended with {client.returncode}")
    figures: dict[str, Any] = json.loads(printed)
    return figures


async def _start(name: str, core: int | None, *wanted: str) -> asyncio.subprocess.Process:
    """Start a program of this package. Its stderr is shown."""
    pinned = () if core is None else ("--core", str(core))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"outbound_http.{name}", *wanted, *pinned, stdout=asyncio.subprocess.PIPE
    )
