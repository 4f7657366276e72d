"""Floods of large bodies: a real process, whose memory is read from /proc while a good client goes on."""

import asyncio
import json
import re
import socket
import sys
import textwrap
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from common.security.signature import signature_of
from ingress.routes import PATH

SECRET = b"fake-app-secret"
PATIENCE = 20.0
MOST_MIB = 250
LARGE = 2_800_000
PROGRAM = textwrap.dedent("""
    import asyncio, sys
    from ingress.fast_path import FastPath
    from ingress.routes import Verification, WebhookRoute
    from common.http.service.serve import serve
    from litestar import Litestar

    async def publish(records):
        await asyncio.sleep(0.01)

    class NoAccounts:
        def values(self):
            return []

    route = WebhookRoute([sys.argv[2]], publish, Verification(None, NoAccounts()))
    serve((FastPath(route, Litestar([], openapi_config=None)), "127.0.0.1", int(sys.argv[1])))
""")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@asynccontextmanager
async def ingress():
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, str(port), SECRET.decode())
    try:
        async with asyncio.timeout(PATIENCE):
            while await deliver(port, signed(b"{}")) != 200:
                await asyncio.sleep(0.05)
        yield process.pid, port
    finally:
        process.kill()
        await process.wait()


def peak_mib(pid):
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def post(size, signature):
    named = b"x-hub-signature-256: " + signature + b"\r\n" if signature else b""
    return b"POST %s HTTP/1.1\r\nhost: x\r\n%scontent-length: %d\r\n\r\n" % (PATH.encode(), named, size)


def signed(body):
    return post(len(body), signature_of(body, SECRET)) + body


async def deliver(port, request):
    """The status of the answer; None without one."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return None
    try:
        writer.write(request)
        await writer.drain()
        return int((await asyncio.wait_for(reader.readline(), PATIENCE)).split()[1])
    except (ConnectionError, IndexError):
        return None
    finally:
        writer.transport.abort()


async def deliver_slowly(port, size, signature):
    """As `deliver`, but all clients of a flood are in the middle of their bodies at one time."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return None
    try:
        writer.write(post(size, signature))
        piece = bytes(size // 8)
        for _ in range(7):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.1)
        writer.write(bytes(size - 7 * len(piece)))
        await writer.drain()
        return int((await asyncio.wait_for(reader.readline(), PATIENCE)).split()[1])
    except (ConnectionError, IndexError):
        return None
    finally:
        writer.transport.abort()


GOOD = json.dumps({"object": "whatsapp_business_account", "entry": []}).encode()


@asynccontextmanager
async def good_webhooks(port, most_seconds=5.0):
    answers, stop = [], asyncio.Event()

    async def work():
        while not stop.is_set() or len(answers) < 5:
            began = time.monotonic()
            answers.append((await deliver(port, signed(GOOD)), time.monotonic() - began))
            await asyncio.sleep(0.01)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        stop.set()
        await task
    assert [status for status, _ in answers] == [200] * len(answers)
    assert max(seconds for _, seconds in answers) < most_seconds


@pytest.mark.parametrize(
    ("signature", "statuses"),
    [
        (b"", {400}),
        (b"sha256=" + b"a" * 63, {400}),
        (b"sha256=" + b"A" * 64, {400}),
        (b"sha256=" + b"0" * 64, {400, 503, None}),  # None: we closed while it was still sending
    ],
    ids=["unsigned", "short", "capitals", "wrong"],
)
async def test_large_bodies_at_one_time_fill_no_memory(signature, statuses):
    async with ingress() as (pid, port):
        async with good_webhooks(port):
            answers = await asyncio.gather(*(deliver_slowly(port, LARGE, signature) for _ in range(200)))
        assert set(answers) <= statuses
        assert 400 in answers
        assert peak_mib(pid) < MOST_MIB


async def test_a_thousand_of_them_do_not_either():
    async with ingress() as (pid, port):
        async with good_webhooks(port, most_seconds=PATIENCE):  # the flood and this client share one event loop
            request = post(LARGE, b"sha256=" + b"0" * 64) + bytes(LARGE)
            answers = await asyncio.gather(*(deliver(port, request) for _ in range(1000)))
        assert set(answers) <= {400, 503, None}
        assert peak_mib(pid) < MOST_MIB
