import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_stack.errors import LocalStackError
from local_stack.fetch import tree
from local_stack.fetch.cache import Artefact, cache_folder, ensure
from local_stack.progress import Progress

PINNED = tree.digest({"bin/program": hashlib.sha256(b"good").hexdigest()})


class Source:
    """Serves the artefact and counts how often it was asked."""

    def __init__(self, content: bytes = b"good") -> None:
        self.content = content
        self.fetched = 0

    def fetch(self, folder: Path) -> None:
        self.fetched += 1
        (folder / "bin").mkdir()
        (folder / "bin" / "program").write_bytes(self.content)

    @property
    def artefact(self) -> Artefact:
        return Artefact("thing-1.0", PINNED, self.fetch)


def test_fetched_once_then_served_from_the_cache(tmp_path):
    source = Source()
    folders = [ensure(tmp_path, source.artefact, Progress()) for _ in range(3)]
    assert source.fetched == 1
    assert {(folder / "bin" / "program").read_bytes() for folder in folders} == {b"good"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "bin" / "program").write_bytes(b"goof"),
        lambda folder: (folder / "bin" / "program").unlink(),
        lambda folder: (folder / "extra.jar").write_bytes(b"foreign"),
    ],
    ids=["a changed byte", "a missing file", "a foreign file"],
)
def test_a_damaged_artefact_is_fetched_again(tmp_path, capsys, damage):
    source = Source()
    folder = ensure(tmp_path, source.artefact, Progress())
    damage(folder)
    assert ensure(tmp_path, source.artefact, Progress()) == folder
    assert source.fetched == 2
    assert tree.digest(tree.hashes(folder)) == PINNED
    assert "thing-1.0 in the cache is damaged" in capsys.readouterr().err


def test_other_contents_than_pinned_are_refused_and_not_kept(tmp_path):
    with pytest.raises(LocalStackError, match="other contents than pinned"):
        ensure(tmp_path, Source(b"evil").artefact, Progress())
    assert [path.name for path in tmp_path.iterdir()] == [".lock-thing-1.0"]


def test_what_a_killed_download_left_behind_is_swept_away(tmp_path):
    left = tmp_path / ".staging-thing-1.0"
    left.mkdir()
    (left / "half").write_bytes(b"go")
    folder = ensure(tmp_path, Source().artefact, Progress())
    assert set(tree.hashes(folder)) == {"bin/program"}


def test_concurrent_users_fetch_once(tmp_path):
    source = Source()
    with ThreadPoolExecutor(max_workers=8) as pool:
        folders = set(pool.map(lambda _: ensure(tmp_path, source.artefact, Progress()), range(8)))
    assert (source.fetched, folders) == (1, {tmp_path / "thing-1.0"})


def test_a_folder_that_cannot_be_made_names_the_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalStackError, match="LOCAL_STACK_CACHE"):
        ensure(tmp_path / "file" / "cache", Source().artefact, Progress())


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LOCAL_STACK_CACHE": "/c"}, "/c"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/whatsapp-cloud-local-stack"),
        ({"HOME": "/h"}, "/h/.cache/whatsapp-cloud-local-stack"),
    ],
)
def test_where_the_cache_is(monkeypatch, environment, expected):
    for name in ("LOCAL_STACK_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)
