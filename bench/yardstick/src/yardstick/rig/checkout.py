"""An earlier commit, or another Python, as another side: its own checkout with its own virtual environment.

Both are kept in `.cache/against`, by commit and by version of Python, so a second run with the same commit starts at
once. Settings go to a service by its environment, and names that it does not know are ignored: so the rig starts the
services of any commit that still has `python -m <service>`.
"""

import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[5]
_CACHE: Final = _ROOT / ".cache" / "against"
_NAME_LENGTH: Final = 9


class CheckoutError(RuntimeError):
    """The commit does not exist, or its environment cannot be made."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """The services of one commit: its full id, the interpreter that runs them, and which Python was asked for."""

    commit: str
    interpreter: str
    python: str | None = None

    @property
    def name(self) -> str:
        """The short id, for reports; and the Python, where it is another than that of this side."""
        return self.commit[:_NAME_LENGTH] + (f" on Python {self.python}" if self.python else "")


def checkout(revision: str, repository: Path = _ROOT, cache: Path = _CACHE, *, python: str | None = None) -> Checkout:
    """The services of `revision` (a commit, branch or tag), with the packages of its own lock.

    They run on this process's Python, or on `python`: a version, or a path, as `make setup` takes them. The first time
    takes about half a minute. Raises `CheckoutError`.
    """
    commit = _git(repository, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
    folder = cache / f"{commit}-{_as_name(python) if python else platform.python_version()}"
    if not folder.exists():
        _extract(repository, commit, folder)
    _run([str(folder / "scripts" / "bootstrap.sh")], folder, "its virtual environment", python or sys.executable)
    return Checkout(commit, str(folder / ".venv" / "bin" / "python"), python)


def _as_name(python: str) -> str:
    """A version or a path as a part of a folder's name."""
    return python.strip("/").replace("/", "-")


def _extract(repository: Path, commit: str, folder: Path) -> None:
    """The files of the commit. The folder appears only when it is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        archive, files = Path(place) / "files.tar", Path(place) / "files"
        files.mkdir()
        _git(repository, "archive", f"--output={archive}", commit)
        _run(["tar", "--extract", f"--file={archive}", f"--directory={files}"], files, "its files")
        files.rename(folder)


def _git(repository: Path, *arguments: str) -> str:
    return _run(["git", "-C", str(repository), *arguments], repository, f"git {arguments[0]} {arguments[-1]}")


def _run(command: list[str], folder: Path, what: str, python: str = sys.executable) -> str:
    tools = _ROOT / ".cache" / "uv" / "bin"  # otherwise the bootstrap would install uv a second time
    found = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    path = f"{tools}{os.pathsep}{found.get('PATH', os.defpath)}"
    environment = {**found, "PATH": path, "PYTHON": python}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CheckoutError(f"{what} failed with {done.returncode}: {(done.stdout + done.stderr)[-1_000:]}")
    return done.stdout
