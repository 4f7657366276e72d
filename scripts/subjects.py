"""Checks that commit subjects begin with a component: `sender: a cancelled id is told in warnings` (`make check`).

`python scripts/subjects.py [RANGE]`. Without a range it checks the commits that are not on the main branch yet, because
only those can be reworded. On the main branch, in a shallow clone, and without a history it checks nothing. Merges
are ignored.
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
ROOMS: Final = ("libs", "services", "tools", "examples", "bench", "tests", "libs/common/src/common")
MORE: Final = {"ci", "readme", "emulator", "stack"}
MAIN: Final = ("origin/main", "main")


def components(root: Path = ROOT) -> set[str]:
    """The names of the top folders, of the rooms in them, and of the parts of `common`."""
    folders = [root, *(root / room for room in ROOMS)]
    found = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_dir()}
    return {name for name in found if not name.startswith((".", "_"))} | MORE


def wrong(subjects: Iterable[str], known: set[str]) -> list[str]:
    """Subjects that do not begin with one or more components, a colon, a space and a text."""
    named = re.compile(r"([\w, -]+): \S")
    return [
        subject
        for subject in subjects
        if not ((found := named.match(subject)) and {name.strip() for name in found[1].split(",")} <= known)
    ]


def subjects(revisions: str, folder: Path = ROOT) -> list[str] | None:
    """The subjects of a range without merges, the latest first; None when git does not know it."""
    command = ["git", "-C", str(folder), "log", "--no-merges", "--format=%s", revisions]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no git
        return None
    return done.stdout.splitlines() if done.returncode == 0 else None


def unmerged(folder: Path = ROOT) -> list[str]:
    """Subjects of commits that are not on the main branch; none without such a branch or without a history."""
    ranges = (subjects(f"{branch}..HEAD", folder) for branch in MAIN)
    return next((found for found in ranges if found is not None), [])


def main() -> int:
    """1 when a subject names no component."""
    looked_at = subjects(sys.argv[1]) if len(sys.argv) > 1 else unmerged()
    if looked_at is None:
        print(f"git does not know the range {sys.argv[1]}", file=sys.stderr)
        return 2
    found = wrong(looked_at, components())
    for subject in found:
        print(
            f"a commit subject must begin with its component (a folder, as in `sender: …`): {subject}", file=sys.stderr
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
