"""One client, measured: `python -m outbound_http.client --kind graph --url https://localhost:4433 --ca FILE`.

Warms up with a tenth of the calls, then makes them all and prints one line of JSON: how long they took, and how much
CPU this process used for them. Threads of a library count: they are in the process.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

import uvloop

from outbound_http.callers import CALLERS, Call, Target
from outbound_http.cores import pin


async def measure(kind: str, target: Target, calls: int) -> dict[str, Any]:
    """Warm up, make the calls, and return seconds and CPU."""
    async with CALLERS[kind](target) as call:
        await _call(call, calls // 10, target.in_flight)
        began, worked = time.perf_counter(), time.process_time()
        await _call(call, calls, target.in_flight)
        worked, wall = time.process_time() - worked, time.perf_counter() - began
    return {
        "kind": kind,
        "calls": calls,
        "wallSeconds": round(wall, 4),
        "cpuSeconds": round(worked, 4),
        "cpuUs": round(worked / calls * 1e6, 2),
        "perSecond": round(calls / wall, 1),
    }


async def _call(call: Call, calls: int, in_flight: int) -> None:
    left = iter(range(calls))

    async def caller() -> None:
        for _ in left:
            status, body = await call()
            if status != 200 or not body.endswith(b"}"):
                raise RuntimeError(f"answered {status} with {len(body)} bytes")

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(caller())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m outbound_http.client", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--kind", choices=list(CALLERS), required=True)
    add("--url", required=True, help="https://host:port of the server")
    add("--ca", type=Path, required=True, help="the certificate to trust")
    add("--calls", type=int, default=20_000, help="measured; a tenth more warm up (default: %(default)s)")
    add("--in-flight", type=int, default=64, help="calls at one time (default: %(default)s)")
    add("--core", type=int, help="the only one to run on (default: any)")
    given = parser.parse_args()
    pin(given.core)
    target = Target(given.url, given.ca, given.in_flight)
    print(json.dumps(uvloop.run(measure(given.kind, target, given.calls))))


if __name__ == "__main__":
    main()
