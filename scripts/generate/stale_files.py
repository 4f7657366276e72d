"""Generated files on the disk: which are out of date, and writing them."""

from collections.abc import Mapping
from pathlib import Path


def write_stale(files: Mapping[str, tuple[Path, str]], *, check: bool) -> list[str]:
    """The names of those that have other content or are missing; without `check` these are written.

    Each file has its name for messages, its path and its content. Folders are created where they are missing.
    """
    stale = []
    for name, (path, content) in files.items():
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            stale.append(name)
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")
    return stale
