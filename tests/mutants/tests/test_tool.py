"""The tool on a toy tree: what counts as a find, and what does not."""

import itertools
from pathlib import Path

import pytest

from mutants import faults
from mutants.fault import Fault, all_faults, check_names, chosen, modules
from mutants.findings import Finding, summary
from mutants.run import Run, UnusableError, quick_part
from mutants.tree import changed

REPOSITORY = Path(__file__).parents[3]

CODE = """
def add(left, right):
    return left + right

def wait_for(condition):
    while not condition():
        pass
"""
TESTS = """
import pytest
from toy.sums import add, wait_for

def test_it_adds():
    assert add(2, 2) == 4

def test_it_adds_nothing():
    assert add(0, 0) == 0

def test_it_waits():
    wait_for(lambda: True)

@pytest.mark.integration
def test_with_the_stack():
    assert add(1, 0) == 1
"""
FILE = "libs/toy/src/toy/sums.py"
TEST_FILE = "libs/toy/tests/test_sums.py"
PYPROJECT = '[tool.pytest.ini_options]\naddopts = ["--import-mode=importlib"]\nmarkers = ["integration: x"]\n'


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "root"
    for name, text in {FILE: CODE, "libs/toy/src/toy/__init__.py": "", TEST_FILE: TESTS}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "pyproject.toml").write_text(PYPROJECT)
    return root


def fault(name, before, after, *tests, file=FILE, **more):
    return Fault(name, file, before, after, tests or (f"{TEST_FILE}::test_it_adds",), "because", **more)


@pytest.fixture
def found(tree, tmp_path):
    said, numbers = [], itertools.count()

    def run(*faults, **options):
        options = {"workers": 2, "with_stack": False, "least_seconds": 5, "libraries": ()} | options
        work = tmp_path / f"work{next(numbers)}"
        return [(one.verdict, one.detail) for one in Run(tree, work, tell=said.append, **options).findings(faults)]

    run.said = said
    return run


def test_a_fault_is_found_by_the_test_that_fails_and_missed_where_all_pass(found):
    assert found(
        fault("toy/minus", "left + right", "left - right"),
        fault("toy/unseen", "left + right", "left - right", f"{TEST_FILE}::test_it_adds_nothing"),
        fault("toy/times", "left + right", "left * right", f"{TEST_FILE}::test_with_the_stack"),
        fault("toy/of-the-file", "left + right", "left + right + 1", TEST_FILE),
    ) == [
        ("found", f"{TEST_FILE}::test_it_adds"),
        ("missed", "every test passes"),
        ("found", f"{TEST_FILE}::test_with_the_stack"),
        ("found", f"{TEST_FILE}::test_it_adds"),
    ]


def test_the_tree_itself_stays_as_it_is(found, tree):
    found(fault("toy/minus", "left + right", "left - right"))
    assert (tree / FILE).read_text() == CODE


def test_the_list_has_every_module_in_the_folder_of_faults():
    folder = Path(*faults.__path__)
    files = [one.relative_to(folder).with_suffix("") for one in folder.rglob("*.py") if one.name != "__init__.py"]
    assert modules() == sorted(f"mutants.faults.{'.'.join(file.parts)}" for file in files)


def test_each_fault_applies_to_this_tree():
    assert len(all_faults()) > 100
    for one in all_faults():
        changed(REPOSITORY, one)


@pytest.mark.parametrize(
    ("before", "after", "file", "says"),
    [
        ("left ** right", "left", FILE, "occurs 0 times"),
        ("left", "right", FILE, "occurs 2 times"),
        ("left + right", "left +", FILE, "invalid Python"),
        ("left + right", "left", "libs/toy/src/toy/gone.py", "no file"),
    ],
)
def test_a_fault_that_does_not_apply_says_so(found, before, after, file, says):
    ((verdict, detail),) = found(fault("toy/stale", before, after, file=file))
    assert verdict == "error"
    assert "toy/stale" in detail
    assert says in detail


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def add(", "def plus("),  # the tests cannot import it
        ("return left + right", "return nowhere"),
        ("return left + right", "import toy.nowhere"),
        ("\ndef add", "\nimport os; os._exit(0)\ndef add"),
    ],
)
def test_code_that_does_not_run_is_no_find(found, before, after):
    ((verdict, _),) = found(fault("toy/broken", before, after))
    assert verdict == "error"


def test_what_a_failed_test_leaves_behind_does_not_hide_the_find(found, tree):
    (tree / "conftest.py").write_text("def pytest_unconfigure():\n    raise RuntimeError('left behind')\n")
    with pytest.raises(UnusableError):
        found(fault("toy/minus", "left + right", "left - right"))
    (tree / "conftest.py").write_text(
        "import os, pathlib\n"
        "def pytest_unconfigure():\n"
        "    if 'left - right' in pathlib.Path('libs/toy/src/toy/sums.py').read_text():\n"
        "        raise RuntimeError('left behind')\n"
    )
    assert found(
        fault("toy/minus", "left + right", "left - right"),
        fault("toy/unseen", "left + right", "left - right", f"{TEST_FILE}::test_it_adds_nothing"),
    ) == [("found", f"{TEST_FILE}::test_it_adds"), ("error", "pytest ends with 3: no test was run")]


def test_a_test_that_hangs_counts_only_where_the_fault_says_so(found):
    test = f"{TEST_FILE}::test_it_waits"
    assert found(
        fault("toy/hangs", "not condition()", "condition()", test, hangs=True),
        fault("toy/hangs-too", "not condition()", "condition()", test),
        least_seconds=1,
    ) == [("found", "a test hangs"), ("error", "a test hangs: say hangs=True if it has to")]


def test_faults_prove_nothing_where_the_tests_fail_without_them(found, tree):
    (tree / FILE).write_text(CODE.replace("+", "-"))
    with pytest.raises(UnusableError, match="test_it_adds"):
        found(fault("toy/plus", "left - right", "left + right"))


def test_faults_prove_nothing_where_the_tests_are_not_there(found):
    with pytest.raises(UnusableError, match=r"toy/minus: there is no test .*test_gone"):
        found(fault("toy/minus", "left + right", "left - right", f"{TEST_FILE}::test_gone"))


def test_faults_prove_nothing_where_the_copy_is_not_what_is_tested(found, tree, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    (tree / "libs/toy/src").rename(elsewhere)
    (tree / "libs/toy/src/toy").mkdir(parents=True)
    (tree / FILE).write_text(CODE)
    (tree / "conftest.py").write_text(f"import sys\nsys.path.insert(0, {str(elsewhere)!r})\n")
    with pytest.raises(UnusableError, match=r"toy\.sums"):
        found(fault("toy/minus", "left + right", "left - right"))


def test_the_quick_part_is_fixed_and_needs_no_stack(found):
    stacked = f"{TEST_FILE}::test_with_the_stack"
    nodes = {f"{TEST_FILE}::test_it_adds": False, stacked: True}
    many = [fault(f"toy/{number}", "a", "b") for number in range(9)]
    heavy = [fault(f"toy/heavy-{number}", "a", "b", stacked) for number in range(9)]
    part = quick_part([*heavy, *many], nodes)
    assert part == quick_part([*heavy, *many], nodes)
    assert 0 < len(part) < len(many)
    assert set(part) <= set(many)


def test_names_choose_faults():
    faults = [fault(name, "a", "b") for name in ("toy/one", "toy/two", "toys/one")]
    assert [one.name for one in chosen(faults, ["toy"])] == ["toy/one", "toy/two"]
    assert [one.name for one in chosen(faults, ["toy/two", "toys"])] == ["toy/two", "toys/one"]
    assert chosen(faults, []) == faults
    assert chosen(faults, ["to"]) == []


def test_two_faults_of_one_name_are_refused():
    with pytest.raises(ValueError, match="toy/one"):
        check_names([fault("toy/one", "a", "b"), fault("toy/one", "b", "a")])


def test_every_fault_of_the_list_says_why_and_names_its_tests():
    for one in all_faults():
        assert one.why, one.name
        assert one.tests, one.name
        assert one.before != one.after, one.name
        assert "/" in one.name


def test_the_last_line_counts():
    one = fault("toy/one", "a", "b")
    findings = [Finding(one, verdict, "") for verdict in ("found", "found", "missed")]
    assert summary(findings) == "3 faults, 2 found, 1 missed"
    assert summary([*findings, Finding(one, "error", "")]) == "4 faults, 2 found, 1 missed, 1 not tried"
