"""The documents speak of code that exists, in plain words: references and links are real, tables of files are whole."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ROOMS = [ROOT / "libs/common", *sorted((ROOT / "services").iterdir())]
DOCUMENTS = [
    *PAGES,
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs/decisions").glob("*.md")),
    *[room / "README.md" for room in ROOMS],
    *[
        path
        for room in ("tools/*", "examples/*", "bench", "bench/baselines/*")
        for path in sorted(ROOT.glob(f"{room}/README.md"))
    ],
]
REFERENCE = re.compile(r"`([\w./-]+\.py)::([\w.]+)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
ANCHOR = re.compile(r"\]\((?!https?:)([^)#]*)#([^)]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
ROW = re.compile(r"^\| `([\w./]+)` \|", re.MULTILINE)
WORD = re.compile(r"^\| \*\*(.+?)\*\* \|", re.MULTILINE)
NAMED = re.compile(r"\]\(([^)]+\.py)\) `(\w+)` \|$", re.MULTILINE)
RIDDLES = re.compile(r"\b(?:nobody|somebody|anybody|whoever|mend(?:s|ed|ing)?)\b", re.IGNORECASE)


PURE = re.compile(r"\b[Pp]ure\.\s*$")
PURE_BESIDE_A_DRIVER = {
    "common.http.phrases",  # it reads exceptions of the framework
    "common.mongo.rejected_documents",  # it reads exceptions of the driver
}


def contracts() -> list[dict]:
    """The import contracts, which `make imports` checks."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def symbols(path: Path) -> set[str]:
    """Every function, class and method name of a module: `name` and `Class.name`."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{child.name}" for child in node.body if hasattr(child, "name")}
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_reference_to_code_exists(document):
    missing = [
        f"{path}::{name}"
        for path, name in REFERENCE.findall(document.read_text())
        if not (ROOT / path).exists() or name not in symbols(ROOT / path)
    ]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document):
    broken = [link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()]
    assert not broken


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_anchor_is_a_heading(document):
    found = ANCHOR.findall(document.read_text())
    pages = [((document.parent / path if path else document), anchor) for path, anchor in found]
    broken = [anchor for page, anchor in pages if page.suffix == ".md" and anchor not in anchors(page)]
    assert not broken


def rows_of(room: Path, heading: str) -> set[str]:
    """The first column of the table under this heading in a room's README."""
    _, _, table = (room / "README.md").read_text().partition(f"| {heading} |")
    return set(ROW.findall(table.partition("\n\n")[0]))


@pytest.mark.parametrize("room", ROOMS[1:], ids=lambda path: path.name)
def test_a_service_names_each_of_its_files(room):
    package = room / "src" / room.name
    files = {str(path.relative_to(package)) for path in package.rglob("*.py") if not path.name.startswith("__")}
    assert rows_of(room, "File") == files


def test_common_names_each_of_its_folders():
    package = ROOMS[0] / "src/common"
    folders = {str(path.parent.relative_to(package)) for path in package.rglob("__init__.py")}
    assert rows_of(ROOMS[0], "Folder") == folders - {"."}


def test_the_layers_of_the_sender_are_those_that_are_checked():
    (layers,) = [contract["layers"] for contract in contracts() if contract.get("containers") == ["sender"]]
    assert "```\n" + "\n".join(layers) + "\n```" in (ROOT / "docs/sender.md").read_text()


def test_what_calls_itself_pure_is_in_a_contract_that_forbids_io():
    forbidden = [contract for contract in contracts() if "asyncio" in contract.get("forbidden_modules", ())]
    checked = {module for contract in forbidden for module in contract["source_modules"]} | PURE_BESIDE_A_DRIVER
    unchecked = []
    for package in [room / "src" / room.name for room in ROOMS]:
        for path in package.rglob("*.py"):
            parts = path.relative_to(package.parent).with_suffix("").parts
            names = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
            first = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n\n")[0]
            if PURE.search(first) and not names & checked:
                unchecked.append(".".join(parts))
    assert not unchecked


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
@pytest.mark.parametrize("word", ["wamid", "BSUID"])
def test_a_word_of_metas_is_explained_where_a_page_first_uses_it(page, word):
    paragraphs = CODE.sub("", page.read_text()).split("\n\n")
    first = next((text for text in paragraphs if re.search(rf"\b{word}s?\b", text)), "")
    assert not first or page.stem == "glossary" or "glossary.md" in first


def test_the_glossary_has_one_meaning_for_each_word():
    words = WORD.findall((ROOT / "docs/glossary.md").read_text())
    assert words
    assert len(words) == len(set(words))


def test_the_glossary_names_classes_that_are_in_the_files_beside_them():
    page = ROOT / "docs/glossary.md"
    named = NAMED.findall(page.read_text())
    assert named
    assert [(path, name) for path, name in named if name not in symbols(page.parent / path)] == []


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_say_who(page):
    """`the caller`, `the tenant`, `an operator`: a reader does not have to guess whom a sentence is about."""
    assert RIDDLES.findall(page.read_text()) == []
