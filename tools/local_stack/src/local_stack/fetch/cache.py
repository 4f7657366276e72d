"""The cache of downloads: shared by every process of the user, checked at each use, repaired when damaged."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from local_stack.errors import LocalStackError
from local_stack.fetch import tree
from local_stack.progress import Progress

_FOLDER = "whatsapp-cloud-local-stack"


@dataclass(frozen=True)
class Artefact:
    """A folder of files that can be fetched: its place in the cache, its expected hash, and how to fetch it.

    `fetch` fills an empty folder and raises LocalStackError when it cannot.
    """

    name: str
    tree_sha256: str
    fetch: Callable[[Path], None]


def cache_folder() -> Path:
    """`LOCAL_STACK_CACHE`, or a folder in the user's cache folder."""
    chosen = os.environ.get("LOCAL_STACK_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / _FOLDER


def ensure(cache: Path, artefact: Artefact, progress: Progress) -> Path:
    """The artefact's folder in the cache, fetched first when it is missing or does not hash to its pin.

    Concurrent processes fetch it once: the others wait. Raises LocalStackError when it cannot be fetched, or when
    what arrives is not what is pinned.
    """
    folder = cache / artefact.name
    if _is_whole(folder, artefact):
        return folder
    with _locked(cache, artefact.name, progress):
        if _is_whole(folder, artefact):
            return folder
        if folder.exists():
            progress.say(f"{artefact.name} in the cache is damaged: fetching it again")
            shutil.rmtree(folder)
        _fetch(cache, artefact, folder)
    return folder


def _is_whole(folder: Path, artefact: Artefact) -> bool:
    try:
        return folder.is_dir() and tree.digest(tree.hashes(folder)) == artefact.tree_sha256
    except OSError:
        # Another process is replacing the folder. The lock shows when it is done.
        return False


def _fetch(cache: Path, artefact: Artefact, folder: Path) -> None:
    staging = cache / f".staging-{artefact.name}"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        artefact.fetch(staging)
        found = tree.digest(tree.hashes(staging))
        if found != artefact.tree_sha256:
            raise LocalStackError(
                f"{artefact.name} arrived with other contents than pinned (sha256 of the tree {found}, expected "
                f"{artefact.tree_sha256}); nothing was kept. Check what serves your packages, or fetch again."
            )
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _locked(cache: Path, name: str, progress: Progress) -> Iterator[None]:
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalStackError(
            f"cannot make the cache folder: {error}. Set LOCAL_STACK_CACHE to another one."
        ) from error
    with (cache / f".lock-{name}").open("w") as lock:
        if not _try_lock(lock):
            progress.say(f"another process is fetching {name}: waiting for it")
            while not _try_lock(lock):
                progress.raise_if_cancelled()
                time.sleep(0.1)
        yield


def _try_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
