"""Running a service: one process, one event loop, one or more listeners."""

import asyncio
import gc
import signal
import sys
from typing import Annotated, Any, Literal

import uvicorn
from pydantic import Field, field_validator

from common.http.probe import DEFAULT_PORT
from common.telemetry.settings import TelemetrySettings

_KEEP_ALIVE_SECONDS = 75
"""Longer than the usual proxy keeps a connection (60 s): else it writes on one that we are closing, and answers 502."""


class HttpSettings(TelemetrySettings):
    """Where a service listens, how talkative it is, and what it tells of itself."""

    http_host: Annotated[str, Field(description="address of the listeners; all interfaces, for containers")] = "0.0.0.0"
    http_port: Annotated[int, Field(ge=0, le=65535, description="public listener; 0 takes a free port")] = DEFAULT_PORT
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Field(description="DEBUG, INFO, WARNING or ERROR; at DEBUG, each call to Meta"),
    ] = "INFO"
    shutdown_seconds: Annotated[float, Field(gt=0, description="how long running requests may take at shutdown")] = 10.0

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to `serve`, which has several of them to stop in order."""

    def install_signal_handlers(self) -> None:
        """Nothing: `serve` has them."""


def serve(*listeners: tuple[Any, str, int], shutdown_seconds: float = 10.0) -> None:
    """Serve each (ASGI app, host, port) until SIGTERM or SIGINT, then let running requests finish.

    Lifespans run in the order given and end in reverse, so the first app may own what the others use.
    """
    _tune_gc()
    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(_serve(listeners, shutdown_seconds))


async def _serve(listeners: tuple[tuple[Any, str, int], ...], shutdown_seconds: float) -> None:
    servers = [
        _Server(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                server_header=False,
                interface="asgi3",
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                proxy_headers=False,  # nothing depends on who calls; and to look for them costs each request
                lifespan="on",
                timeout_graceful_shutdown=int(shutdown_seconds),
            )
        )
        for app, host, port in listeners
    ]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = []
    for server in servers:
        tasks.append(asyncio.create_task(server._serve()))  # noqa: SLF001  # serve() would capture the signals per server
        while not server.started and not tasks[-1].done():
            await asyncio.sleep(0.01)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for server, task in reversed(list(zip(servers, tasks, strict=True))):
        server.should_exit = True
        await task
    stopping.cancel()
    if any(not server.started for server in servers):
        sys.exit(3)


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop  # only the process that serves needs it

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _tune_gc() -> None:
    """Collecting the start-up's objects again and again costs a threefold p99 at saturation; freeze them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
