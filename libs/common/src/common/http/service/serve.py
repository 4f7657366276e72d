"""Running a service: one process, one event loop, one or more listeners."""

import asyncio
import errno
import gc
import logging
import resource
import signal
import socket
import sys
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final, Literal, cast

import uvicorn
from pydantic import Field, field_validator

from common.http.guard.limits import Limits
from common.http.guard.listener import Listener, Process
from common.http.guard.protocol import GuardedProtocol
from common.http.probe import DEFAULT_PORT
from common.http.service.port import bind_to, listening, no_port
from common.telemetry.settings import TelemetrySettings

log = logging.getLogger(__name__)

_KEEP_ALIVE_SECONDS = 75
"""Longer than the usual proxy keeps a connection (60 s): else it writes on one that we are closing, and answers 502."""

_OTHER_FILES: Final = 512
"""Open files beside the connections of clients: to Kafka, MongoDB, Meta, and spooled uploads."""

_LIMITS: Final = Limits()


class HttpSettings(TelemetrySettings):
    """Where a service listens, what it logs, and what clients may use."""

    http_host: Annotated[str, Field(description="address of the listeners; all interfaces, for containers")] = "0.0.0.0"
    http_port: Annotated[int, Field(ge=0, le=65535, description="public listener; 0 takes a free port")] = DEFAULT_PORT
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Field(description="DEBUG, INFO, WARNING or ERROR; at DEBUG, each call to Meta"),
    ] = "INFO"
    http_max_header_bytes: Annotated[
        int, Field(ge=1024, description="bytes of a request's first line and headers; beyond that it is refused (431)")
    ] = _LIMITS.header_bytes
    http_header_seconds: Annotated[
        float, Field(gt=0, description="how long a client may take until its headers are complete, once connected")
    ] = _LIMITS.header_seconds
    http_body_seconds: Annotated[
        float,
        Field(
            gt=0,
            description="how long a client may send nothing of a body, or read nothing of an answer; after that time"
            " it also has to move 16 KiB a second on average",
        ),
    ] = _LIMITS.body_seconds
    http_max_connections: Annotated[
        int, Field(ge=1, description="open connections of one listener; beyond that an old slow or idle one ends")
    ] = _LIMITS.connections
    http_max_body_bytes_in_flight: Annotated[
        int,
        Field(
            ge=1 << 20,
            description="bytes of request bodies that the process holds; beyond that it answers 503. Bodies above"
            " 64 KiB get three quarters of it",
        ),
    ] = _LIMITS.body_bytes_in_flight
    shutdown_seconds: Annotated[float, Field(gt=0, description="how long running requests may take at shutdown")] = 10.0

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    def http_limits(self) -> Limits:
        """What a client may use of each listener."""
        return Limits(
            header_bytes=self.http_max_header_bytes,
            header_seconds=self.http_header_seconds,
            body_seconds=self.http_body_seconds,
            connections=self.http_max_connections,
            body_bytes_in_flight=self.http_max_body_bytes_in_flight,
        )


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to `serve`, which has several of them to stop in order."""

    def install_signal_handlers(self) -> None:
        """Install none: `serve` has them."""


def serve(*listeners: tuple[Any, str, int], shutdown_seconds: float = 10.0, limits: Limits | None = None) -> None:
    """Serve each (ASGI app, host, port) until SIGTERM or SIGINT, then let running requests finish.

    Lifespans run in the order given and end in reverse, so the first app may own what the others use. Each listener is
    guarded by `limits`; all together end within about `shutdown_seconds` (and their lifespans' own time).
    Raises `NoPort` when a port cannot be had: before anything starts, unless another process takes it meanwhile.
    """
    _tune_gc()
    process = Process(_within_files(limits or _LIMITS, len(listeners)))
    with ExitStack() as opened:
        sockets = [_listening(opened, place, *listener) for place, listener in enumerate(listeners)]
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(_serve(listeners, sockets, shutdown_seconds, process))


def _listening(opened: ExitStack, position: int, _: Any, host: str, port: int) -> list[socket.socket]:
    sockets = bind_to(position, host, port)
    for one in sockets:
        opened.callback(one.close)
    log.info("serving", extra={"url": f"http://{host}:{sockets[0].getsockname()[1]}"})
    return sockets


async def _serve(
    listeners: tuple[tuple[Any, str, int], ...],
    sockets: list[list[socket.socket]],
    shutdown_seconds: float,
    process: Process,
) -> None:
    guards = [Listener(process) for _ in listeners]
    servers = [
        _Server(_config(app, host, port, guard, shutdown_seconds))
        for (app, host, port), guard in zip(listeners, guards, strict=True)
    ]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = []
    for server, guard, own in zip(servers, guards, sockets, strict=True):
        guard.start()
        tasks.append(asyncio.create_task(server._serve(own)))  # noqa: SLF001  # serve() would capture the signals per server
        while not server.started and not tasks[-1].done():
            await asyncio.sleep(0.01)
    lost = next((place for place, own in enumerate(sockets) if servers[place].started and not listening(own)), None)
    if lost is not None:
        stop.set()
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    deadline = loop.time() + shutdown_seconds
    for server, task in reversed(list(zip(servers, tasks, strict=True))):
        _grant(server, deadline - loop.time(), last=server is servers[0])
        server.should_exit = True
        await task
    for guard in guards:
        await guard.stop()
    stopping.cancel()
    if lost is not None:
        raise no_port(lost, *listeners[lost][1:], OSError(errno.EADDRINUSE, ""))
    if any(not server.started for server in servers):
        sys.exit(3)


def _config(app: Any, host: str, port: int, guard: Listener, shutdown_seconds: float) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        # uvicorn calls it as it would call the class.
        http=cast("type[asyncio.Protocol]", partial(GuardedProtocol, guard)),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        interface="asgi3",
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        proxy_headers=False,  # nothing depends on who calls; and to look for them costs each request
        lifespan="on",
        timeout_graceful_shutdown=cast("int", shutdown_seconds),  # asyncio takes parts of a second too
    )


def _grant(server: uvicorn.Server, seconds: float, *, last: bool) -> None:
    """Let the server's running requests take that long; half of it when another server ends after this one."""
    server.config.timeout_graceful_shutdown = cast("int", max(0.0, seconds if last else seconds / 2))


def _within_files(limits: Limits, listeners: int) -> Limits:
    """Raise the limit of open files as far as needed and allowed; fewer connections when that is not enough.

    Without a free file a connection cannot even be refused.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = listeners * limits.connections + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return replace(limits, connections=connections_within(allowed, limits.connections, listeners))


def connections_within(files: int, connections: int, listeners: int) -> int:
    """How many connections each listener may have, when the process may have `files` open files."""
    spare = max(files - _OTHER_FILES, files // 2)
    return max(1, min(connections, spare // listeners))


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop  # only the process that serves needs it

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _tune_gc() -> None:
    """Freeze the start-up's objects: collecting them again and again triples the p99 at saturation."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
