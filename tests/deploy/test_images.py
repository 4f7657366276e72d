"""What an image has is what its code imports: nothing is missing, and no driver is there without a use."""

import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "deploy" / "locks"
COMPOSE = (ROOT / "docker-compose.yml").read_text()
IMAGES = {
    image: (lock, members)
    for image, lock, *members in map(str.split, (LOCKS / "images.txt").read_text().splitlines())
    if image != "#"
}
PINS = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)", re.MULTILINE)
DRIVERS = {"aiokafka", "pymongo", "pyreqwest", "cryptography"}
TESTS_ALONE = {"testcontainers"}  # local_stack imports it when TEST_INFRA=docker


def commands() -> Iterable[tuple[str, str]]:
    """(image, module) of each `python -m module` in the compose file, the manifests and the image's own health check."""
    for service in yaml.safe_load(COMPOSE)["services"].values():
        words = [
            *service.get("entrypoint", ()),
            *service.get("command", ()),
            *service.get("healthcheck", {}).get("test", ()),
        ]
        yield from ((service["image"].split("/")[-1], module) for module in after_m(words))
    for path in (ROOT / "deploy" / "k8s").rglob("*.yaml"):
        for container in containers(list(yaml.safe_load_all(path.read_text()))):
            words = [*container.get("command", ()), *container.get("args", ())]
            image = container["image"].split("/")[-1].split(":")[0]
            yield from ((image, module) for module in after_m(words))
    yield from ((image, "common.http.probe") for image in ("ingress", "conversation", "sender", "accounts"))


def after_m(words: list[str]) -> list[str]:
    return [module for option, module in pairwise(words) if option == "-m"]


def containers(node: Any) -> Iterable[dict[str, Any]]:
    """Every container of a manifest, however deep."""
    if isinstance(node, dict):
        yield from (one for key in ("containers", "initContainers") for one in node.get(key, ()))
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from containers(child)


COMMANDS = sorted(set(commands()))


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


def started(image: str) -> list[str]:
    return [image, *(module for name, module in COMMANDS if name == image)]


@pytest.mark.parametrize(("image", "module"), COMMANDS)
def test_what_a_container_starts_is_in_its_image(image, module):
    assert find_spec(module)
    assert module.split(".")[0] in {Path(member).name for member in IMAGES[image][1]}


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_what_its_code_imports(image):
    assert reached(started(image)) <= locked(image)


@pytest.mark.parametrize("image", ["ingress", "conversation", "sender", "accounts", "wa"])
def test_an_image_has_no_driver_that_its_code_does_not_import(image):
    assert locked(image) & DRIVERS == reached(started(image)) & DRIVERS


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
    built = re.findall(r"args: \{SERVICE: (\w+)\}", COMPOSE)
    released = re.search(r"service: \[(.*)\]", (ROOT / ".github" / "workflows" / "release.yml").read_text())[1]
    assert built
    assert {*built, *released.split(", ")} == set(IMAGES)
