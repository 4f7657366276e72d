"""Each decision says when it was made and whether it still holds, on its own page and in the table."""

import re
from datetime import date
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "decisions"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))
STATUS = r"(Accepted|Superseded by \[?(\d{4})\]?(?:\(\S+\))?)"
HEAD = re.compile(rf"# (\d{{4}}) · .+\n\n\*\*Status\.\*\* {STATUS}, (\d{{4}}-\d\d-\d\d)\n")
ROW = re.compile(rf"^\| \[(\d{{4}})\]\((\S+)\) \| .+ \| {STATUS} \| (\d{{4}}-\d\d-\d\d) \|$", re.MULTILINE)
ROWS = {row[1]: row for row in ROW.findall((FOLDER / "README.md").read_text())}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_decision_has_a_status_and_a_date(page):
    head = HEAD.match(page.read_text())
    assert head, "a title `# NNNN · …`, an empty line, and `**Status.** Accepted, YYYY-MM-DD`"
    number, status, successor, made = head.groups()
    assert page.name.startswith(f"{number}-")
    assert date.fromisoformat(made)
    assert not successor or list(FOLDER.glob(f"{successor}-*.md"))
    assert ROWS[page.name][0] == number
    assert (ROWS[page.name][2], ROWS[page.name][4]) == (status, made)


def test_the_table_has_every_decision_in_its_order():
    assert list(ROWS) == [page.name for page in PAGES]
