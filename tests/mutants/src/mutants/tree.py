"""Copies of the tree, and a fault in one of them."""

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mutants.fault import Fault

_LEFT_OUT: Final = (".git", ".venv", ".cache", ".*_cache", ".hypothesis", "__pycache__", "node_modules")


class DoesNotApplyError(Exception):
    """The fault's text does not occur exactly once, or the changed file is not valid Python."""


def copy_tree(source: Path, target: Path, *, with_bytecode: bool = False) -> Path:
    """Copy the files that tests need; `with_bytecode` includes compiled files, so that Python need not compile again."""
    left_out = [name for name in _LEFT_OUT if not (with_bytecode and name == "__pycache__")]
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*left_out), symlinks=True)
    return target


def source_folders(tree: Path) -> list[Path]:
    """The folders of the members' packages. They go to the front of `PYTHONPATH`, before the editable installs."""
    return sorted(tree.glob("*/*/src"))


def changed(tree: Path, fault: Fault) -> str:
    """The file's text with the fault in it. Raises DoesNotApplyError."""
    path = tree / fault.file
    if not path.is_file():
        raise DoesNotApplyError(f"{fault.name} no longer applies: there is no file {fault.file}")
    text = path.read_text()
    count = text.count(fault.before)
    if count != 1:
        raise DoesNotApplyError(
            f"{fault.name} no longer applies: its text occurs {count} times in {fault.file}, it has to occur once"
        )
    after = text.replace(fault.before, fault.after)
    if path.suffix == ".py":
        try:
            compile(after, fault.file, "exec")
        except SyntaxError as error:
            raise DoesNotApplyError(f"{fault.name} makes {fault.file} invalid Python: {error}") from error
    return after


@contextmanager
def applied(tree: Path, fault: Fault) -> Iterator[None]:
    """The fault is in the tree for as long as the block runs. Raises DoesNotApplyError."""
    path = tree / fault.file
    before = path.read_text()
    after = changed(tree, fault)
    # Python reuses compiled code when size and second are the same, which may happen here.
    compiled = Path(importlib.util.cache_from_source(str(path)))
    compiled.unlink(missing_ok=True)
    path.write_text(after)
    try:
        yield
    finally:
        path.write_text(before)
        compiled.unlink(missing_ok=True)
