"""One server process, with its guard, its signals and its log."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local_stack.errors import LocalStackError

_GUARD = Path(__file__).with_name("guard.py")
_LOG_LINES_SHOWN = 20


@dataclass
class Node:
    """A server in its own folder. `remove` is the folder that its guard deletes when this process dies.

    Safe to use from several threads: a stack may be stopped while it still starts.
    """

    name: str
    folder: Path
    remove: Path | None
    pid: int | None = None
    _guard: "subprocess.Popen[bytes] | None" = None
    _log_start: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def log(self) -> Path:
        """The file with the server's whole log, also from before restarts."""
        return self.folder / f"{self.name}.log"

    @property
    def alive(self) -> bool:
        """Whether the process exists (paused counts)."""
        guard = self._guard
        return guard is not None and guard.poll() is None

    def spawn(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the program, and append to its log. Raises LocalStackError when it cannot be executed."""
        with self._lock:
            if self.alive:
                raise LocalStackError(f"{self.name} runs already: stop or kill it first")
            self.reap()
            self._log_start = self.log.stat().st_size if self.log.exists() else 0
            self._guard = self._start_guard([*command], environment)
            self.pid = self._read_pid(self._guard)

    def _start_guard(self, command: list[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        guard = [sys.executable, "-I", "-S", str(_GUARD), str(self.log), str(self.remove or "-")]
        return subprocess.Popen(
            [*guard, *command],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C in the terminal reaches only the owner, which then stops everything in order.
            start_new_session=True,
        )

    def _read_pid(self, guard: "subprocess.Popen[bytes]") -> int:
        line = guard.stdout.readline() if guard.stdout else b""
        if line:
            return int(line)
        said = guard.stderr.read().decode(errors="replace") if guard.stderr else ""
        self.reap()
        raise LocalStackError(f"{self.name} cannot be executed: {said.strip()[-300:]}")

    def send(self, which: signal.Signals) -> None:
        """Send a signal to the server itself. Raises LocalStackError when it does not run."""
        if not self._signal(which):
            raise LocalStackError(f"{self.name} does not run: start it first")

    def _signal(self, which: signal.Signals) -> bool:
        """False when the process has ended and cannot receive it."""
        pid = self.pid
        if not self.alive or pid is None:
            return False
        try:
            os.kill(pid, which)
        except ProcessLookupError:
            # The server has just ended, and its guard will end soon.
            return False
        return True

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone. Harmless when it is already."""
        with self._lock:
            self._signal(signal.SIGKILL)
            self.reap()

    def stop(self, patience: float) -> int | None:
        """SIGTERM, and after `patience` seconds SIGKILL; the program's exit code, None when it had to be killed."""
        code = None
        with self._lock:
            if self._guard and self._signal(signal.SIGTERM) and self._signal(signal.SIGCONT):
                try:
                    code = self._guard.wait(patience)
                except subprocess.TimeoutExpired:
                    self._signal(signal.SIGKILL)
            self.reap()
        return code

    def reap(self) -> None:
        """Wait for the guard of an ended server and close its pipes."""
        with self._lock:
            if self._guard is None:
                return
            self._guard.wait()
            for pipe in (self._guard.stdin, self._guard.stdout, self._guard.stderr):
                if pipe:
                    pipe.close()
            self._guard, self.pid = None, None

    def said(self) -> str:
        """What the server has logged since its latest start."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def last_words(self) -> str:
        """The last lines of the log and where the rest is, to be put into an error."""
        lines = "\n".join(f"  {line[:400]}" for line in self.said().splitlines()[-_LOG_LINES_SHOWN:])
        return f"the last lines of {self.log}:\n{lines}"
