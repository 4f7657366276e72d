"""Who switches a check off says why: beside the ignore, or for several lines where the file names them together."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PLACES = ("libs/*/src", "services/*/src", "tools/*/src", "examples/*/src", "bench/*/src", "scripts")
IGNORE = re.compile(
    r"# (?:noqa\b|type: ignore\b)(?P<codes>:? ?(?:[A-Z]+\d+(?:, )?)+|\[[a-z-]+(?:, ?[a-z-]+)*\])?(?P<reason>.*)"
)


def without_reason(text: str) -> list[str]:
    """The lines whose ignore says neither what it ignores nor why."""
    found = ((line, IGNORE.search(line)) for line in text.splitlines())
    return [
        line.strip() for line, ignore in found if ignore and not (ignore["codes"] and ignore["reason"].strip(" #-"))
    ]


def test_every_ignore_has_a_reason():
    files = [path for place in PLACES for folder in ROOT.glob(place) for path in folder.rglob("*.py")]
    assert len(files) > 300
    bare = [f"{path.relative_to(ROOT)}: {line}" for path in files for line in without_reason(path.read_text())]
    assert not bare


def test_an_ignore_without_reason_is_found():
    good = "x = 1  # noqa: E501, SLF001  # a table\ny = 2  # type: ignore[misc, arg-type]  # no types"
    bad = ["x = 1  # noqa: E501", "x = 1  # noqa", "x = 1  # type: ignore[misc]", "x = 1  # type: ignore  # why"]
    assert without_reason("\n".join([good, *bad])) == bad
