"""A commit as a side: its files and its environment, made once."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from yardstick.rig.checkout import CheckoutError, checkout

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not there")
BOOTSTRAP = """#!/bin/sh
set -eu
cd "$(dirname "$0")/.."
mkdir -p .venv/bin
echo made >>.venv/made
cp service .venv/bin/python
echo " on $PYTHON" >>.venv/bin/python
"""


@pytest.fixture
def repository(tmp_path):
    place = tmp_path / "repository"
    (place / "scripts").mkdir(parents=True)
    (place / "scripts" / "bootstrap.sh").write_text(BOOTSTRAP)
    (place / "scripts" / "bootstrap.sh").chmod(0o755)
    git(place, "init", "--quiet")
    for content in ("old", "new"):
        (place / "service").write_text(content)
        git(place, "add", ".")
        git(place, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", content)
    return place


def git(place, *arguments):
    return subprocess.run(["git", "-C", str(place), *arguments], check=True, capture_output=True, text=True).stdout


def read(path):
    return Path(path).read_text()


def test_the_interpreter_is_that_of_the_commit(repository, tmp_path):
    (repository / "service").write_text("not committed")
    found = [checkout(revision, repository, tmp_path / "cache") for revision in ("HEAD~1", "HEAD")]
    assert [read(each.interpreter) for each in found] == [
        f"{content} on {sys.executable}\n" for content in ("old", "new")
    ]
    assert found[1].commit == git(repository, "rev-parse", "HEAD").strip()
    assert git(repository, "worktree", "list").count("\n") == 1


def test_a_second_time_uses_the_first_ones_folder(repository, tmp_path):
    one = checkout("HEAD~1", repository, tmp_path / "cache")
    (Path(one.interpreter).parents[2] / "service").write_text("kept")
    assert checkout("HEAD~1", repository, tmp_path / "cache") == one
    assert read(one.interpreter) == f"kept on {sys.executable}\n"
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_another_python_has_a_folder_of_its_own(repository, tmp_path):
    found = [checkout("HEAD", repository, tmp_path / "cache", python=python) for python in (None, "3.13", "/a/python3")]
    asked = [sys.executable, "3.13", "/a/python3"]
    assert [read(each.interpreter) for each in found] == [f"new on {python}\n" for python in asked]
    short = found[0].commit[:9]
    assert [each.name for each in found] == [short, f"{short} on Python 3.13", f"{short} on Python /a/python3"]


def test_an_unknown_revision_is_refused(repository, tmp_path):
    with pytest.raises(CheckoutError, match="rev-parse"):
        checkout("no-such-branch", repository, tmp_path / "cache")


def test_a_commit_whose_environment_cannot_be_made_says_why(repository, tmp_path):
    (repository / "scripts" / "bootstrap.sh").write_text("#!/bin/sh\necho no network; exit 3\n")
    git(repository, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--all", "-m", "broken")
    with pytest.raises(CheckoutError, match=r"failed with 3: no network"):
        checkout("HEAD", repository, tmp_path / "cache")
