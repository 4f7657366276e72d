"""The measured machine: the use of its cores, the usage of a process, and a description."""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

_LIBRARIES: Final = ("uvicorn", "uvloop", "aiokafka", "pymongo", "litestar", "msgspec", "pyreqwest", "httpx", "pywa")


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of the measured service, and the cores that everything else shares."""

    service: frozenset[int]
    rest: frozenset[int]

    @property
    def shared(self) -> bool:
        """Whether there is only one core, which everything shares."""
        return self.service == self.rest


def cores() -> Cores:
    """The first core for the service, all others for load, Kafka, MongoDB and the fake Meta."""
    there = sorted(os.sched_getaffinity(0))
    if len(there) == 1:
        return Cores(frozenset(there), frozenset(there))
    return Cores(frozenset(there[:1]), frozenset(there[1:]))


@dataclass(frozen=True, slots=True)
class Used:
    """What a process has used: CPU seconds since its start, resident bytes now."""

    cpu_seconds: float
    memory_bytes: int


def used(pid: int) -> Used:
    """The usage of `pid` with its threads but without children, from /proc, with a resolution of 10 ms."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    return Used(float(times.user + times.system), int(process.memory_info().rss))


def describe() -> dict[str, str]:
    """Processor, kernel and versions, for the head of a report."""
    model = [line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "processor": f"{model[0] if model else platform.machine()}, {psutil.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }


def _cpuinfo() -> Iterable[str]:
    return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
