"""The definition of a fault, and the list of all faults."""

import importlib
import pkgutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mutants import faults


@dataclass(frozen=True, slots=True)
class Fault:
    """One change of one file that breaks a promise, and its tests, at least one of which has to fail."""

    name: str
    """`service/what`, unique: `conversation/offset-plus-zero`."""
    file: str
    """Relative to the root of the tree."""
    before: str
    """Text that occurs exactly once in the file. May have several lines."""
    after: str
    """The text that replaces it."""
    tests: tuple[str, ...]
    """Files or node ids, as pytest takes them. The fewer, the faster."""
    why: str
    """What would go wrong in production."""
    hangs: bool = False
    """Whether a test that does not end counts as a find."""


def all_faults() -> list[Fault]:
    """The faults of every module in `mutants.faults` and its packages. Raises ValueError when two have the same name."""
    listed = [fault for name in modules() for fault in importlib.import_module(name).FAULTS]
    check_names(listed)
    return listed


def modules() -> list[str]:
    """The names of the modules that have faults, sorted."""
    found = pkgutil.walk_packages(faults.__path__, f"{faults.__name__}.")
    return sorted(one.name for one in found if not one.ispkg)


def check_names(listed: Iterable[Fault]) -> None:
    """Raises ValueError when two faults have the same name."""
    seen: set[str] = set()
    for fault in listed:
        if fault.name in seen:
            raise ValueError(f"two faults have the name {fault.name}: rename one")
        seen.add(fault.name)


def chosen(listed: Iterable[Fault], only: Sequence[str]) -> list[Fault]:
    """The faults whose name is one of `only` or begins with one of them; all when `only` is empty."""
    return [fault for fault in listed if not only or any(_matches(fault.name, part) for part in only)]


def _matches(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part.rstrip('/')}/")
