"""The receiver over HTTP: OTLP's `POST /v1/traces`, and routes that show the traces."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otlp_receiver.spans import NotUnderstood, read
from otlp_receiver.traces import Traces, waterfall

_MAX_BODY_BYTES: Final = 64 * 1024 * 1024
_QUIET_SECONDS: Final = 1.0


class Printer:
    """Prints a trace when it got no new span for a second."""

    def __init__(self, traces: Traces, say: Callable[[str], None]) -> None:
        self._traces = traces
        self._say = say
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def changed(self, trace_id: str) -> None:
        """A span of this trace has arrived."""
        timer = self._timers.pop(trace_id, None)
        if timer is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._timers[trace_id] = loop.call_later(_QUIET_SECONDS, self._print, trace_id)

    def _print(self, trace_id: str) -> None:
        self._timers.pop(trace_id, None)
        self._say("\n".join([f"trace {trace_id}", *waterfall(self._traces.spans(trace_id)), ""]))


def build_app(traces: Traces, say: Callable[[str], None] | None = None) -> web.Application:
    """The application. With `say`, each trace is printed when it seems complete."""
    printer = Printer(traces, say) if say is not None else None

    async def take(request: web.Request) -> web.Response:
        try:
            # aiohttp has already unpacked bodies with `content-encoding: gzip`.
            spans = read(await request.read())
        except NotUnderstood as error:
            return web.json_response({"error": str(error)}, status=400)
        traces.add(spans)
        if printer is not None:
            for trace_id in {span.trace_id for span in spans}:
                printer.changed(trace_id)
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")

    async def overview(_: web.Request) -> web.Response:
        body = {"traces": traces.overview(), "received": traces.received, "forgotten": traces.forgotten}
        return web.json_response(body)

    async def one(request: web.Request) -> web.Response:
        spans = traces.spans(request.match_info["trace_id"])
        if not spans:
            return web.json_response({"error": "no such trace"}, status=404)
        if request.query.get("as") == "text":
            return web.Response(text="\n".join(waterfall(spans)) + "\n")
        return web.json_response({"spans": [span.as_json() for span in spans]})

    app = web.Application(client_max_size=_MAX_BODY_BYTES)
    app.add_routes([web.post("/v1/traces", take), web.get("/traces", overview), web.get("/traces/{trace_id}", one)])
    return app


@dataclass(frozen=True, slots=True)
class Receiver:
    """A running receiver: give `base_url` to the exporters, and read `traces`."""

    base_url: str
    traces: Traces


@asynccontextmanager
async def running_receiver(port: int = 0, say: Callable[[str], None] | None = None) -> AsyncIterator[Receiver]:
    """A receiver on this machine, for as long as the block runs; port 0 takes a free one."""
    traces = Traces()
    runner = web.AppRunner(build_app(traces, say))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    taken = runner.addresses[0][1]
    try:
        yield Receiver(f"http://127.0.0.1:{taken}", traces)
    finally:
        await runner.cleanup()
