"""The client of a worker process."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from mutants.tree import source_folders
from mutants.trial import Trial

LIBRARIES: Final = (
    *("litestar", "litestar.testing", "litestar.openapi", "msgspec", "pydantic", "pydantic_settings", "uvicorn"),
    *("aiokafka", "pymongo", "cryptography.fernet", "cryptography.hazmat.primitives.ciphers.aead", "httpx", "aiohttp"),
    *("prometheus_client", "opentelemetry.sdk.trace", "psutil", "hypothesis", "hypothesis.strategies", "jsonschema"),
)
"""Third-party libraries that take long to import."""


class Worker:
    """Runs tests on its own copy of the tree, one run at a time. Use it as a context manager.

    `libraries` are imported once and not for each run.
    """

    def __init__(
        self, tree: Path, logs: Path, environment: Mapping[str, str], libraries: Sequence[str] = LIBRARIES
    ) -> None:
        self.tree = tree
        self._libraries = libraries
        self._logs = logs
        folders = [str(folder) for folder in source_folders(tree)]
        path = os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        self._environment = {**os.environ, **environment, "PYTHONPATH": path}
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mutants.worker", str(self.tree), *self._libraries],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
            cwd=self.tree,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process and self._process.stdin:
            self._process.communicate()  # closes its input, which ends the process, and our end of its output

    def log(self, name: str) -> Path:
        """The file with pytest's output of this run."""
        return self._logs / f"{name.replace('/', '.')}.txt"

    def run(
        self, name: str, tests: Sequence[str], options: Sequence[str], *, seconds: float, compile_all: bool = False
    ) -> Trial:
        """One run of pytest, killed after `seconds`. `compile_all` keeps compiled code for later runs."""
        if self._process is None or self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the worker is not running: use it as a context manager")
        job = {
            "tests": list(tests),
            "options": list(options),
            "log": str(self.log(name)),
            "seconds": seconds,
            "compile": compile_all,
        }
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the worker's process has ended: see its error above")
        return Trial(**json.loads(answer))
