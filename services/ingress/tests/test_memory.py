"""A flood of signed bodies of 3 MB at a real ingress process on a real Kafka: its memory, and what others notice."""

import asyncio
import os
import socket
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from common.security.signature import signature_of
from ingress.routes import MAX_BODY_BYTES, PATH

pytestmark = pytest.mark.integration

SECRET = "fake-app-secret"
SENDERS, POSTS = 8, 6  # hostile connections, and how many bodies each of them sends
MOST_MIB = 400
VALUE = b'"field":"messages","value":{"metadata":{"phone_number_id":"200000000000001"}'
GOOD = b'{"entry":[{"id":"1","changes":[{%s,"messages":[{"id":"wamid.FAKE","from":"15551230001"}]}}]}]}' % VALUE


def filled(before, part, after):
    return before + part * ((MAX_BODY_BYTES - len(before) - len(after)) // len(part)) + after


def messages(count, size):
    """A body of so many messages, each of so many bytes."""
    message = b'{"id":"w","from":"1","x":"%s"}' % (b"y" * (size - 27))
    parts = b",".join([message] * count)
    return b'{"entry":[{"id":"%s","changes":[{%s,"messages":[%s]}}]}]}' % (b"1" * 250, VALUE, parts)


HOSTILE = [
    filled(b'{"entry":[', b"{},", b"{}]}"),
    filled(b'{"entry":[{"changes":[{%s,"messages":[' % VALUE, b"1,", b"1]}}]}]}"),
    filled(b'{"entry":[{"id":"', b"x", b'","changes":[]}]}'),
    filled(b"", b"\xff", b""),
    messages(2_000, 1_500),
    b'{"entry":[{"changes":[{%s,"errors":[1],"messages":[{"id":"w","x":"%s"}]}}]}]}' % (VALUE, b"y" * 3_000_000),
]


def signed(body):
    return {"x-hub-signature-256": signature_of(body, SECRET.encode()).decode()}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@asynccontextmanager
async def ingress(kafka_bootstrap):
    """A process of its own, once it is ready: its id and a client of it."""
    port = free_port()
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "WHATSAPP_APP_SECRETS": SECRET,
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ingress", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            async with asyncio.timeout(30):
                while not await is_ready(client):
                    await asyncio.sleep(0.05)
            yield process.pid, client
    finally:
        process.kill()
        await process.wait()


async def is_ready(client):
    try:
        return (await client.get("/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


def peak_mib(pid):
    """The most memory that a process has had (proc_pid_status(5), VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


async def flood(client, sent):
    for turn in range(POSTS):
        body = HOSTILE[turn % len(HOSTILE)]
        sent.append((await client.post(PATH, content=body, headers=signed(body))).status_code)


async def neighbour(client, hostile):
    """The statuses of small webhooks that come while the others do, and how long each took."""
    statuses, seconds = [], []
    while not hostile.done():
        began = time.perf_counter()
        statuses.append((await client.post(PATH, content=GOOD, headers=signed(GOOD))).status_code)
        seconds.append(time.perf_counter() - began)
    return statuses, sorted(seconds)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc here")
async def test_a_flood_of_hostile_bodies_costs_little_memory_and_others_little_time(kafka_bootstrap):
    async with ingress(kafka_bootstrap) as (pid, client):
        sent = []
        hostile = asyncio.gather(*(flood(client, sent) for _ in range(SENDERS)))
        statuses, seconds = await neighbour(client, hostile)
        await hostile
        assert peak_mib(pid) < MOST_MIB
        assert set(sent) <= {200, 503}
        assert sent.count(200) >= len(HOSTILE)
        assert statuses.count(200) > 0.9 * len(statuses)
        assert seconds[int(len(seconds) * 0.99)] < 1.0  # the test's own process is on the same cores
