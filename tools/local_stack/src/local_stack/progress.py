"""All output for the user: one writer to stderr, with live progress on a terminal and plain lines elsewhere."""

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from local_stack.errors import LocalStackError

_LIVE_EVERY_S = 0.2
_PLAIN_EVERY_S = 5.0


def megabytes(count: int) -> str:
    """A byte count as people read it, in units of 1,000,000 bytes."""
    return f"{count / 1e6:.1f} MB"


@dataclass
class Task:
    """One running transfer: its label, received bytes and expected bytes."""

    label: str
    total: int
    started: float
    done: int = 0
    shown: float = field(default=0.0)

    def text(self, now: float) -> str:
        """The state in one phrase: bytes so far, of how many, after how many seconds."""
        share = f"{megabytes(min(self.done, self.total))} of {megabytes(self.total)}"
        return f"{self.label}: {share}, {now - self.started:.0f} s"


class Progress:
    """Writes lines to stderr, and below them, on a terminal, one live line about the transfers under way.

    Safe to use from several threads. After `cancel` every transfer ends with a LocalStackError at its next sign of
    life, so that a process that is asked to stop can end downloads in other threads.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._tasks: list[Task] = []
        self._drawn = 0.0
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End all transfers."""
        self._cancelled.set()

    def raise_if_cancelled(self) -> None:
        """Raise LocalStackError after `cancel`."""
        if self._cancelled.is_set():
            raise LocalStackError("cancelled")

    def say(self, text: str) -> None:
        """Write one line."""
        with self._lock:
            self._write(f"{self._erase()}local stack: {text}\n")

    @contextmanager
    def transfer(self, label: str, total: int) -> Iterator[Task]:
        """Announce a transfer of about `total` bytes and, when the block ends well, how long it took."""
        task = Task(label, total, started=time.monotonic(), shown=time.monotonic())
        if not sys.stderr.isatty():
            self.say(f"fetching {label} ({megabytes(total)})")
        with self._lock:
            self._tasks.append(task)
        try:
            yield task
            self.say(f"fetched {label} ({megabytes(total)}) in {time.monotonic() - task.started:.1f} s")
        finally:
            with self._lock:
                self._tasks.remove(task)

    def arrived(self, task: Task, done: int) -> None:
        """Record that `done` bytes were received, and show it from time to time."""
        self.raise_if_cancelled()
        now = time.monotonic()
        with self._lock:
            task.done = done
            if sys.stderr.isatty():
                if now - self._drawn >= _LIVE_EVERY_S:
                    self._drawn = now
                    self._draw(now)
            elif now - task.shown >= _PLAIN_EVERY_S:
                task.shown = now
                self.say(task.text(now))

    def _draw(self, now: float) -> None:
        # A wrapped line could not be erased again.
        width = shutil.get_terminal_size().columns - 1
        self._write(self._erase() + "   ".join(each.text(now) for each in self._tasks)[:width])

    @staticmethod
    def _erase() -> str:
        return "\r\x1b[K" if sys.stderr.isatty() else ""

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
