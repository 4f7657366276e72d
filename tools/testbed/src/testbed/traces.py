"""A receiver of traces beside the system."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from local_stack.ports import free_ports
from testbed.client import StepFailed

_START_SECONDS: Final = 15.0


@contextmanager
def receiving() -> Iterator[str]:
    """A receiver of traces on this machine: its base URL. Raises `StepFailed` when it does not start."""
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


def _until_there(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310  # a URL of our own, on this machine
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise StepFailed("the receiver of traces does not answer") from None
            time.sleep(0.05)
        else:
            return
