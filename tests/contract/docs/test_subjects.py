"""The rule of commit subjects, on histories of its own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "scripts"))
import subjects

sys.path.pop(0)

GOOD = "sender: a cancelled id is told in warnings"
BAD = "a cancelled id is told"
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not there")


@pytest.mark.parametrize(
    ("subject", "fine"),
    [
        (GOOD, True), ("docs, tests: a bot in the README", True), ("http: a body of 3 MB", True), ("ci: less", True),
        ("graph_emulator: the limits of groups", True),
        (BAD, False), ("fix: a cancelled id", False), ("sender:", False), ("sender a cancelled id", False), ("", False),
        ("sender, nowhere: moved", False), ("Sender: a cancelled id", False),
    ],
)  # fmt: skip
def test_a_subject_begins_with_a_component(subject, fine):
    assert subjects.wrong([subject], subjects.components()) == ([] if fine else [subject])


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.test", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def commit(folder, subject):
    git(folder, "commit", "--allow-empty", "--no-verify", "-m", subject)


@needs_git
def test_it_looks_at_what_the_main_branch_has_not(tmp_path):
    git(tmp_path, "init", "--initial-branch", "main")
    commit(tmp_path, "begun")
    assert subjects.unmerged(tmp_path) == []
    git(tmp_path, "checkout", "-b", "work")
    commit(tmp_path, GOOD)
    commit(tmp_path, BAD)
    git(tmp_path, "checkout", "main")
    commit(tmp_path, "meanwhile")
    git(tmp_path, "checkout", "work")
    git(tmp_path, "merge", "--no-edit", "main")
    assert subjects.unmerged(tmp_path) == [BAD, GOOD]


@needs_git
def test_a_folder_without_history_and_one_without_a_main_branch_have_nothing_to_say(tmp_path):
    assert subjects.unmerged(tmp_path) == []
    git(tmp_path, "init", "--initial-branch", "other")
    commit(tmp_path, BAD)
    assert subjects.unmerged(tmp_path) == []
    assert subjects.subjects("nowhere..HEAD", tmp_path) is None
