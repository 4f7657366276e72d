"""Measures the effect of an attack on the processes: memory, connections, failures and readiness."""

import asyncio
import contextlib
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import ClientError, ClientSession, ClientTimeout

from testbed.plan import SERVICES
from testbed.system import System

_SAMPLE_SECONDS: Final = 0.5
_ESTABLISHED: Final = "01"
_SECONDS: Final = ClientTimeout(total=15)
_SERIES: Final = re.compile(r"^whatsapp_session_failures_total\{(?P<labels>.*)\} (?P<value>\S+)", re.MULTILINE)
_REASON: Final = re.compile(r'reason="(\w+)"')


def kib_of(status: str, name: str) -> int:
    """A line such as `VmHWM:  1234 kB` of a process's status; 0: it is not there. Pure."""
    found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) if found else 0


def failures_in(metrics: str) -> Counter[str]:
    """Sessions that restarted from the committed offsets, by reason, in the text of `/metrics`. Pure."""
    found: Counter[str] = Counter()
    for series in _SERIES.finditer(metrics):
        reason = _REASON.search(series["labels"])
        found[reason[1] if reason else "?"] += int(float(series["value"]))
    return found


def established(table: str, ports: Iterable[int]) -> dict[int, int]:
    """Open connections by local port, of a table as in `/proc/net/tcp`. Pure."""
    wanted = Counter(dict.fromkeys(ports, 0))
    for line in table.splitlines()[1:]:
        fields = line.split()
        if fields[3] == _ESTABLISHED and (port := int(fields[1].rpartition(":")[2], 16)) in wanted:
            wanted[port] += 1
    return dict(wanted)


@dataclass(slots=True)
class Seen:
    """What the machine saw of an attack. Memory in MiB, by process; `disk_mib` is the growth of temporary files."""

    peak_mib: dict[str, float] = field(default_factory=dict)
    connections: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    not_ready: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    disk_mib: float = 0.0

    @property
    def halted(self) -> int:
        """How often a consumer halted."""
        return self.failures.get("halted", 0)


class Machine:
    """Watches the services while it is entered; `seen` is complete when it is left."""

    def __init__(self, system: System, *, names: Iterable[str] = SERVICES) -> None:
        self._system = system
        self._names = [*names]
        self._task: asyncio.Task[None] | None = None
        self._failed: Counter[str] = Counter()
        self._disk = 0
        self.seen = Seen()

    async def __aenter__(self) -> Self:
        """Reset the peaks, and start."""
        self._forget_peaks()
        self._failed = await self._failures()
        self._disk = shutil.disk_usage(tempfile.gettempdir()).used
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the last sample, and ask what failed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._sample()
        self.seen.ended = [name for name in self._names if not self._system.alive(name)]
        self.seen.failures = dict(await self._failures() - self._failed)
        self.seen.not_ready = await self.unready()

    async def unready(self) -> list[str]:
        """The services that say that they are not ready, or say nothing."""
        async with ClientSession(timeout=_SECONDS) as session:
            statuses = await asyncio.gather(*(self._ask(session, name, "/health/ready") for name in self._names))
        return [name for name, (status, _) in zip(self._names, statuses, strict=True) if status != 200]

    def _forget_peaks(self) -> None:
        for name in self._names:
            with contextlib.suppress(OSError):
                # proc(5): this resets VmHWM to what the process uses now.
                Path(f"/proc/{self._system.pid_of(name)}/clear_refs").write_text("5", encoding="ascii")

    async def _watch(self) -> None:
        while True:
            self._sample()
            await asyncio.sleep(_SAMPLE_SECONDS)

    def _sample(self) -> None:
        ports = {name: int(self._system.urls[name].rpartition(":")[2]) for name in self._names}
        counts = established(Path("/proc/net/tcp").read_text(encoding="ascii"), ports.values())
        for name in self._names:
            self.seen.connections[name] = max(self.seen.connections.get(name, 0), counts[ports[name]])
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{self._system.pid_of(name)}/status").read_text(encoding="utf-8")
                peak = kib_of(status, "VmHWM") / 1024
                self.seen.peak_mib[name] = round(max(self.seen.peak_mib.get(name, 0.0), peak), 1)
        grown = (shutil.disk_usage(tempfile.gettempdir()).used - self._disk) / 1024 / 1024
        self.seen.disk_mib = round(max(self.seen.disk_mib, grown), 1)

    async def _failures(self) -> Counter[str]:
        async with ClientSession(timeout=_SECONDS) as session:
            told = await asyncio.gather(*(self._ask(session, name, "/metrics") for name in self._names))
        return sum((failures_in(text) for _, text in told), Counter())

    async def _ask(self, session: ClientSession, name: str, path: str) -> tuple[int, str]:
        try:
            async with session.get(f"{self._system.urls[name]}{path}") as answer:
                return answer.status, await answer.text()
        except (ClientError, TimeoutError, OSError):
            return 0, ""
