"""Hashes of whole folders, so that a damaged or foreign file in the cache is noticed before it runs."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_NOTES_OF_INSTALLERS = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"}
"""Files in *.dist-info that the installer writes itself, different ones for each tool."""


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes(folder: Path) -> dict[str, str]:
    """The sha256 of every file below `folder` by its relative path, without what installers add."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_note(path.relative_to(folder)))
    with ThreadPoolExecutor(max_workers=2) as pool:
        return {
            str(path.relative_to(folder)): sha for path, sha in zip(files, pool.map(file_sha256, files), strict=True)
        }


def digest(files: dict[str, str]) -> str:
    """One sha256 for a set of files and their hashes, independent of their order."""
    lines = "".join(f"{sha}  {name}\n" for name, sha in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def size(folder: Path) -> int:
    """Bytes of all files below `folder`; files that vanish meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def _is_note(path: Path) -> bool:
    in_dist_info = any(part.endswith(".dist-info") for part in path.parts)
    return in_dist_info and path.name in _NOTES_OF_INSTALLERS
