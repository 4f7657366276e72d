"""A process of a measurement: started on its cores, awaited until it is ready, measured, ended."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import aiohttp
import psutil

from yardstick.rig.machine import Used, used

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.05


class ProgramError(RuntimeError):
    """A process of the measurement did not start, or ended before its time; the text has the end of its log."""


class Program:
    """`command` with `environment`, on `cores`. Ready when `ready_url` answers 200."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        cores: frozenset[int],
        ready_url: str | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._environment = {**os.environ, **environment}
        self._cores = cores
        self._ready_url = ready_url
        self._folder = folder
        self._log = tempfile.NamedTemporaryFile(prefix=f"{name}-", suffix=".log", delete=False)  # noqa: SIM115  # closed in stop
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        self._begin()
        try:
            await self._until_ready()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()
        os.unlink(self._log.name)  # noqa: PTH108  # one short call, in the event loop's thread

    @property
    def pid(self) -> int:
        """The pid of the running process."""
        assert self._process is not None, "start it first"  # noqa: S101  # otherwise a programming error
        return self._process.pid

    def used(self) -> Used:
        """CPU and memory so far. Raises `ProgramError` when the process has ended."""
        try:
            return used(self.pid)
        except psutil.NoSuchProcess:
            raise ProgramError(f"{self.name} has ended:\n{self._tail()}") from None

    @property
    def running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def lines(self) -> list[str]:
        """What it has printed and logged so far."""
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace").splitlines()

    def _begin(self) -> None:
        self._process = subprocess.Popen(
            self._command, env=self._environment, stdout=self._log, stderr=self._log, cwd=self._folder
        )
        psutil.Process(self._process.pid).cpu_affinity(sorted(self._cores))

    async def _until_ready(self) -> None:
        assert self._process is not None  # noqa: S101  # just started
        async with aiohttp.ClientSession() as http:
            try:
                async with asyncio.timeout(_START_SECONDS):
                    while not await self._is_ready(http):
                        if self._process.poll() is not None:
                            raise ProgramError(f"{self.name} ended with {self._process.returncode}:\n{self._tail()}")
                        await asyncio.sleep(_POLL_SECONDS)
            except TimeoutError:
                raise ProgramError(
                    f"{self.name} was not ready within {_START_SECONDS:.0f} s:\n{self._tail()}"
                ) from None

    async def _is_ready(self, http: aiohttp.ClientSession) -> bool:
        if self._ready_url is None:
            return True
        with contextlib.suppress(aiohttp.ClientError, OSError):
            async with http.get(self._ready_url) as response:
                return response.status == 200
        return False

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
        self._log.close()

    def _tail(self) -> str:
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")[-2_000:]


def python(module: str, *arguments: str, interpreter: str = sys.executable) -> list[str]:
    """The command that runs a module, with this interpreter or another."""
    return [interpreter, "-m", module, *arguments]
