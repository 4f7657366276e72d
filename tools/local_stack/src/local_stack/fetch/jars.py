"""Fetches Kafka's jars with jgo, in parallel; needs neither Maven nor a JDK."""

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.maven import MavenContext, PythonResolver

from local_stack.errors import LocalStackError
from local_stack.fetch.pins import JarsPin, jar_name
from local_stack.parallel import together
from local_stack.progress import Progress

_PARALLEL = 6
_TIMEOUT_S = 60


def fetch_jars(pin: JarsPin, folder: Path, progress: Progress) -> None:
    """Fill `folder` with every pinned jar, each checked against its sha256.

    Uses the repositories of the user's jgo settings when there are any. Raises LocalStackError when a jar cannot be
    had or is not the pinned one.
    """
    downloads = folder / ".downloads"
    with progress.transfer(f"Kafka {pin.version} ({len(pin.jars)} jars)", pin.size) as task:
        arrived = _Counter(lambda count: progress.arrived(task, count))
        context = _context(downloads, arrived)
        deeds = [partial(_fetch_jar, context, jar, sha256, folder) for jar, sha256 in pin.jars.items()]
        together(deeds, workers=_PARALLEL)
    shutil.rmtree(downloads)


class _Counter:
    """Adds up bytes from several threads, in the shape of jgo's progress callback."""

    def __init__(self, show: Callable[[int], None]) -> None:
        self._show = show
        self._lock = threading.Lock()
        self._count = 0

    @contextmanager
    def __call__(self, _filename: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield self._add

    def _add(self, count: int) -> None:
        with self._lock:
            self._count += count
        self._show(self._count)


def _context(downloads: Path, arrived: _Counter) -> MavenContext:
    repositories = GlobalSettings.load().repositories or None
    resolver = PythonResolver(progress_callback=arrived)
    return MavenContext(resolver=resolver, repo_cache=downloads, remote_repos=repositories, timeout=_TIMEOUT_S)


def _fetch_jar(context: MavenContext, coordinate: str, sha256: str, folder: Path) -> None:
    group, artifact, version = coordinate.split(":")
    try:
        path = context.project(group, artifact).at_version(version).artifact().resolve()
    except (RuntimeError, OSError) as error:
        raise LocalStackError(
            f"cannot fetch the jar {coordinate}: {error}. Check the network and proxy settings, name your own "
            "repository in jgo's settings file, or set KAFKA_BOOTSTRAP_SERVERS to use a Kafka of yours."
        ) from error
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise LocalStackError(f"the jar {coordinate} arrived with another sha256 than pinned; nothing was kept")
    path.rename(folder / jar_name(coordinate))
