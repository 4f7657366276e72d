"""A real sender process under one client's largest batches: its memory, and what another client's sends wait."""

import asyncio
import json
import os
import re
import socket
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from pathlib import Path

import httpx
import pytest
from sender_behind import attacked

from common.http.auth import digest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

MIB = 1024
MOST_MIB = 400
KEYS = {"attacker": "wk_fake_attacker", "victim": "wk_fake_victim"}


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def peak_mib(pid):
    """The largest resident size of a process so far."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) / MIB


@asynccontextmanager
async def process(world, bots):
    """A sender as it runs in production: (base URL, process id)."""
    settings, port = world.settings, free_port()
    keys = [
        {"name": name, "sha256": digest(key), "scopes": ["send"], "chatbots": [bots[name]]}
        for name, key in KEYS.items()
    ]
    env = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "MONGODB_URI": settings.mongodb_uri.get_secret_value(),
        "MONGODB_DATABASE": settings.mongodb_database,
        "SENDER_GROUP": settings.sender_group,
        "SENDER_STATUS_GROUP": settings.sender_status_group,
        "GRAPH_BASE_URL": settings.graph_base_url,
        "ACCOUNTS_INTERNAL_URL": settings.accounts_internal_url,
        "ACCOUNTS_INTERNAL_KEY": "wk_fake_internal",
        "API_KEYS": json.dumps(keys),
        "CALLBACK_KEYS": json.dumps({"test": settings.callback_keys["test"].get_secret_value()}),
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": str(port),
    }
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sender", env=env, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}", started.pid
    finally:
        if started.returncode is None:  # it has ended by itself when it could not start
            started.terminate()
            await started.wait()


def good(bot):
    """Messages of 7.9 KB each: the whole batch is taken."""
    message = {"chatbotId": bot, "to": "+4915112345678", "message": "x", "metadata": {"pad": "y" * 7_850}}
    return {"messages": [message] * 1_000}


def absurd(bot):
    """Messages whose fields are unknown."""
    more = {f"{'unknown' * 5}{n}": "x" * 50 for n in range(70)}
    return {"messages": [{"chatbotId": bot, "to": "+4915112345678", "message": "x", **more}] * 1_000}


def nested(bot):
    """Few bytes, and as many values as a batch may have."""
    return {
        "messages": [{"chatbotId": bot, "to": "1", "message": "x", "metadata": {"a": [[]] * 230, "b": "y" * 6_800}}]
        * 1_000
    }


@pytest.mark.parametrize("body", [good, absurd, nested])
async def test_fifty_large_batches_at_once(world, eventually, body, record_property):
    bots = {name: await world.account() for name in KEYS}
    content = json.dumps(body(bots["attacker"])).encode()
    assert 3_000_000 < len(content) <= 8_000_000
    async with process(world, bots) as (url, pid), httpx.AsyncClient(base_url=url, timeout=60) as api:

        async def ready():
            try:
                return (await api.get("/health/ready")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(ready)
        before = peak_mib(pid)
        # In a process of its own: here the victim would wait for the attacker's client.
        loop, pool = asyncio.get_running_loop(), ProcessPoolExecutor(1, get_context("spawn"))
        attack = loop.run_in_executor(pool, attacked, url, KEYS["attacker"], content)
        waits = []
        while not attack.done():
            began = time.perf_counter()
            answer = await api.post(
                "/whatsapp-cloud/send",
                json={"chatbotId": bots["victim"], "to": "+4915112345679", "message": "x"},
                headers={"authorization": f"Bearer {KEYS['victim']}"},
            )
            assert answer.status_code == 200
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(0.02)
        answers = await attack
        pool.shutdown()
        peak = peak_mib(pid)
    p99 = statistics.quantiles(waits, n=100)[98]
    told = f"{len(answers)} answers, {peak:.0f} MiB (before: {before:.0f}), p99 {p99 * 1000:.0f} ms, {len(waits)} sends"
    record_property("measured", told)
    print(f"{body.__name__}: {told}; {[(s, sum(a[0] == s for a in answers)) for s in {a[0] for a in answers}]}")  # noqa: T201  # for `-s`
    assert 429 in {status for status, _ in answers} <= {200, 400, 429}
    assert max(size for _, size in answers) < 500_000
    assert peak < MOST_MIB
    assert p99 < 3.0  # a tenth of a second on a machine that is not busy; without a limit it was thirteen seconds
