"""Fixtures of these tests: they start stacks of their own, whatever the caller's environment points to."""

import time
from collections.abc import Callable

import psutil
import pytest


@pytest.fixture
def own_processes(monkeypatch):
    """No address and no container from outside: what the test starts are processes of its own."""
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI", "TEST_INFRA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def eventually() -> Callable[..., bool]:
    """`eventually(condition, seconds)`: polls until it holds; False when it does not in that time."""

    def poll(condition: Callable[[], object], seconds: float = 15.0) -> bool:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    return poll


@pytest.fixture(scope="session")
def is_running() -> Callable[[int], bool]:
    """Whether a process exists and is not a zombie."""

    def check(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return check
