"""Traces of the demo: a receiver beside it, and one exchange as a waterfall."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from aiohttp import ClientSession

from demo.client import DemoFailed, eventually
from local_stack.ports import free_ports

LAST: Final = "send message-status"
STATUSES: Final = 4
"""accepted, sent, delivered, read"""

_START_SECONDS: Final = 15.0


@contextmanager
def receiving() -> Iterator[str]:
    """A receiver of traces on this machine: its base URL. Raises `DemoFailed` when it does not start."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "otlp_receiver", "--quiet", "--port", str(port)]
    process = subprocess.Popen(command)
    try:
        _until_there(f"{url}/traces")
        yield url
    finally:
        process.terminate()
        process.wait()


async def drawn(session: ClientSession, url: str) -> str:
    """One exchange that has come whole, from the webhook to the last status. Raises `DemoFailed`."""
    found: list[dict[str, Any]] = []

    async def whole() -> bool:
        async with session.get(f"{url}/traces") as answer:
            traces = (await answer.json())["traces"]
        for trace in traces:
            async with session.get(f"{url}/traces/{trace['traceId']}") as answer:
                names = [span["name"] for span in (await answer.json())["spans"]]
            if names.count(LAST) >= STATUSES:
                found.append(trace)
                return True
        return False

    await eventually("a whole trace has come", whole)
    async with session.get(f"{url}/traces/{found[0]['traceId']}?as=text") as answer:
        return f"\none of {url}/traces\ntrace {found[0]['traceId']}, {found[0]['spans']} spans\n{await answer.text()}"


def _until_there(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310  # a URL of our own, on this machine
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise DemoFailed("the receiver of traces does not answer") from None
            time.sleep(0.05)
        else:
            return
