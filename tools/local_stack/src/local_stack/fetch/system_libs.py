"""The shared libraries of the system that mongod needs: finds what is missing and installs it where it may."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from local_stack.errors import LocalStackError
from local_stack.progress import Progress

PACKAGES = {
    "libcurl.so.4": "libcurl4",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
}
"""The Debian and Ubuntu package of each library; newer releases rename some (libcurl4t64) and keep these names."""

_OTHERWISE = "or set MONGODB_URI to use a MongoDB of yours"


def missing_libraries(linker_output: str) -> list[str]:
    """The names that the dynamic linker reports as not found, in the form that `ldd` prints."""
    return sorted(set(re.findall(r"^\s*(\S+) => not found", linker_output, flags=re.MULTILINE)))


def ensure_libraries(program: Path, progress: Progress) -> None:
    """Make `program` loadable: install what is missing with apt when this is root, saying so.

    Raises LocalStackError that names the packages to install when it may not.
    """
    missing = missing_libraries(_linker_output(program))
    if not missing:
        return
    packages = sorted({PACKAGES[library] for library in missing if library in PACKAGES})
    advice = _advice(missing, packages)
    if os.geteuid() != 0 or not shutil.which("apt-get") or len(packages) == 0:
        raise LocalStackError(advice)
    progress.say(f"mongod needs {', '.join(missing)}: installing {' '.join(packages)} with apt")
    failure = _apt_install(packages)
    if failure or missing_libraries(_linker_output(program)):
        raise LocalStackError(f"{advice} apt said: {failure}" if failure else advice)


def _linker_output(program: Path) -> str:
    # What `ldd` does, without needing ldd: the loader lists the libraries instead of running the program.
    traced = {**os.environ, "LD_TRACE_LOADED_OBJECTS": "1"}
    ended = subprocess.run([str(program)], env=traced, capture_output=True, text=True, check=False)
    return ended.stdout + ended.stderr


def _apt_install(packages: list[str]) -> str:
    """Empty when they are installed, otherwise the end of what apt said."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        ended = subprocess.run(
            ["apt-get", "-qq", *command], env=environment, capture_output=True, text=True, check=False
        )
        if ended.returncode != 0:
            return (ended.stdout + ended.stderr).strip()[-600:]
    return ""


def _advice(missing: list[str], packages: list[str]) -> str:
    named = f"sudo apt-get install {' '.join(packages)}" if packages else "the packages that hold them"
    return (
        f"mongod needs {', '.join(missing)}, which this system lacks. Install: {named} "
        f"(OpenSSL 3 comes with Debian 12, Ubuntu 22.04 and newer), {_OTHERWISE}."
    )
