"""What an image has is what its code imports: nothing is missing, and no driver is there without a use."""

import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "deploy" / "locks"
IMAGES = {
    image: (lock, members)
    for image, lock, *members in map(str.split, (LOCKS / "images.txt").read_text().splitlines())
    if image != "#"
}
PINS = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)", re.MULTILINE)
DRIVERS = {"aiokafka", "pymongo", "pyreqwest", "cryptography"}
# What starts beside the service itself: the health check of every image, and the job that makes topics.
COMMANDS = {image: ["common.http.probe"] for image in ("ingress", "conversation", "sender", "accounts")}
COMMANDS["wa"] = ["common.kafka.admin"]
TESTS_ALONE = {"testcontainers"}  # local_stack imports it when TEST_INFRA=docker


def locked(image: str) -> set[str]:
    """The distributions of an image."""
    return {name for name, _ in PINS.findall((LOCKS / IMAGES[image][0]).read_text())}


@cache
def imports() -> grimp.ImportGraph:
    """Who imports what, of all members that are in images."""
    members = {Path(member).name for _, members in IMAGES.values() for member in members}
    return grimp.build_graph(*sorted(members), include_external_packages=True, cache_dir=None)


def reached(starts: Iterable[str]) -> set[str]:
    """The distributions that these modules import, directly or through others of ours; late imports too."""
    graph, names = imports(), packages_distributions()
    waiting = [module for module in graph.modules if any(f"{module}.".startswith(f"{start}.") for start in starts)]
    seen: set[str] = set()
    found = set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        if not graph.is_module_squashed(module):
            waiting.extend(graph.find_modules_directly_imported_by(module))
        elif (top := module.split(".")[0]) not in sys.stdlib_module_names and top != "opentelemetry":  # one name, many
            found |= {name.lower().replace("_", "-") for name in names[top]}
    return found - TESTS_ALONE


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_what_its_code_imports(image):
    assert reached([image, *COMMANDS.get(image, ())]) <= locked(image)


@pytest.mark.parametrize("image", ["ingress", "conversation", "sender", "accounts", "wa"])
def test_an_image_has_no_driver_that_its_code_does_not_import(image):
    assert locked(image) & DRIVERS == reached([image, *COMMANDS.get(image, ())]) & DRIVERS


def test_ingress_has_no_driver_of_mongodb():
    assert "pymongo" not in locked("ingress")


def test_images_that_have_the_same_share_a_lock():
    locks = [path for path in LOCKS.glob("*.txt") if path.name not in {"images.txt", "uv.txt"}]
    assert {path.name for path in locks} == {lock for lock, _ in IMAGES.values()}
    assert len({path.read_text() for path in locks}) == len(locks)


def test_images_have_the_versions_of_the_lock():
    pins = set(PINS.findall((ROOT / "requirements.lock").read_text()))
    for lock, _ in IMAGES.values():
        assert set(PINS.findall((LOCKS / lock).read_text())) <= pins, lock


def test_every_image_that_is_built_is_known():
    built = re.findall(r"args: \{SERVICE: (\w+)\}", (ROOT / "docker-compose.yml").read_text())
    released = re.search(r"service: \[(.*)\]", (ROOT / ".github" / "workflows" / "release.yml").read_text())[1]
    assert built
    assert {*built, *released.split(", ")} == set(IMAGES)
