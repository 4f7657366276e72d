"""How a process with several listeners ends: a real one, stopped by SIGTERM."""

import asyncio
import json
import os
import signal
import socket
import sys
import textwrap
import time
from contextlib import asynccontextmanager, closing

import pytest

PATIENCE = 15.0
PROGRAM = textwrap.dedent("""
    import asyncio, json, sys
    from common.http.guard.limits import Limits
    from common.http.service.serve import serve

    def tell(*what):
        print(json.dumps(what), flush=True)

    def app(name):
        async def run(scope, receive, send):
            if scope["type"] == "lifespan":
                await receive()
                tell(name, "starts")
                await send({"type": "lifespan.startup.complete"})
                await receive()
                tell(name, "ends")
                await send({"type": "lifespan.shutdown.complete"})
                return
            tell(name, "asked")
            message = await receive()
            while message.get("more_body"):
                message = await receive()
            await asyncio.sleep(float(scope["path"].strip("/") or 0))
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
        return run

    ports, seconds = json.loads(sys.argv[1]), float(sys.argv[2])
    serve(*((app(number), "127.0.0.1", port) for number, port in enumerate(ports)), shutdown_seconds=seconds,
          limits=Limits(header_seconds=float(sys.argv[3]), body_seconds=60.0))
    tell("over")
""")


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Process:
    def __init__(self, process, ports):
        self.process, self.ports, self.told = process, ports, []

    async def hears(self, *what):
        while list(what) not in self.told:
            line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
            assert line, self.told
            self.told.append(json.loads(line))

    async def stop(self):
        """Seconds from SIGTERM to its end, and its exit code."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        await self.hears("over")
        return time.monotonic() - began, await asyncio.wait_for(self.process.wait(), PATIENCE)


@asynccontextmanager
async def process(count, seconds, header_seconds=60.0):
    ports = free_ports(count)
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        json.dumps(ports),
        str(seconds),
        str(header_seconds),
        stdout=asyncio.subprocess.PIPE,
        env=dict(os.environ),
    )
    it = Process(started, ports)
    try:
        for number, port in enumerate(ports):
            await it.hears(number, "starts")
            await _listens(port)
        yield it
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def _listens(port):
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


async def begin(port, request):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    return reader, writer


def get(seconds):
    return b"GET /%s HTTP/1.1\r\nhost: x\r\n\r\n" % str(seconds).encode()


async def test_lifespans_end_in_the_reverse_order():
    async with process(3, 5.0) as it:
        _, code = await it.stop()
    assert [name for name, *did in it.told if did == ["starts"]] == [0, 1, 2]
    assert [name for name, *did in it.told if did == ["ends"]] == [2, 1, 0]
    assert code == 0


@pytest.mark.parametrize("listener", [0, 1])
async def test_a_running_request_is_answered(listener):
    async with process(2, 6.0) as it:
        reader, writer = await begin(it.ports[listener], get(1.0))
        with closing(writer):
            await it.hears(listener, "asked")
            seconds, code = await it.stop()
            assert (await reader.read(1000)).startswith(b"HTTP/1.1 200")
    assert seconds < 5.0
    assert code == 0


async def test_a_fraction_of_a_second_is_time_too():
    async with process(1, 0.9) as it:
        reader, writer = await begin(it.ports[0], get(0.5))
        with closing(writer):
            await it.hears(0, "asked")
            await it.stop()
            assert (await reader.read(1000)).startswith(b"HTTP/1.1 200")


SLOW = {
    "nothing sent": b"",
    "half a header": b"GET / HTTP/1.1\r\nx: ",
    "half a body": b"POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\nabc",
    "too long a request": get(60),
}


@pytest.mark.parametrize("kind", SLOW)
async def test_slow_connections_delay_the_end_by_no_more_than_the_setting(kind):
    async with process(2, 1.0) as it:
        open_ones = [await begin(port, SLOW[kind]) for port in it.ports]
        if kind in ("half a body", "too long a request"):
            await it.hears(0, "asked")
            await it.hears(1, "asked")
        seconds, _ = await it.stop()
        for _, writer in open_ones:
            writer.close()
    assert seconds < 2.5
    assert [name for name, *did in it.told if did == ["ends"]] == [1, 0]


async def test_each_listener_of_a_real_process_ends_what_is_late():
    async with process(2, 5.0, header_seconds=0.3) as it:
        for port in it.ports:
            reader, writer = await begin(port, b"GET / HTTP/1.1\r\nx: ")
            with closing(writer):
                async with asyncio.timeout(PATIENCE):
                    assert (await reader.read()).startswith(b"HTTP/1.1 408")
