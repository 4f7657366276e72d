"""One run of pytest in its own process, and its result."""

import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

_NO_FIND: Final = (ImportError, NameError, SyntaxError)
"""A test that fails with one of these proves nothing, because the code did not run at all."""


@dataclass(slots=True)
class Trial:
    """The result of a run. `exit` is pytest's, or None when it was stopped because it took too long."""

    exit: int | None = None
    found_by: str = ""
    """The first test that failed."""
    broken: str = ""
    """Why its failure proves nothing: the code did not run."""
    strangers: list[str] = field(default_factory=list)
    """Modules of ours that were not imported from the copy."""
    on_stack: dict[str, bool] = field(default_factory=dict)
    """Whether each test needs Kafka and MongoDB, by node id."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By node id."""
    failed: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class _Watcher:
    """A plugin of pytest that fills a Trial."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Which of the tests need the stack."""
        for item in session.items:
            needs = any(item.get_closest_marker(name) for name in ("integration", "e2e"))
            fixtures = getattr(item, "fixturenames", ())
            self._trial.on_stack[item.nodeid] = bool(needs) or "local_stack" in fixtures

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the seconds, and note what failed."""
        seconds = self._trial.seconds
        seconds[report.nodeid] = seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self._trial.failed.append(report.nodeid)
            self._trial.found_by = self._trial.found_by or report.nodeid

    def pytest_exception_interact(self, call: pytest.CallInfo[Any]) -> None:
        """Note a failure that proves nothing."""
        error = call.excinfo.value if call.excinfo else None
        if isinstance(error, _NO_FIND):
            self._trial.broken = self._trial.broken or f"{type(error).__name__}: {error}"


def run_tests(tree: Path, tests: Sequence[str], options: Sequence[str]) -> Trial:
    """Run pytest on the tree, in this process: it must be a fresh one, and the current folder becomes the tree."""
    trial = Trial()
    os.chdir(tree)
    # pytest warns that imported libraries cannot be rewritten for better messages, which does not matter here.
    quiet = ["-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    try:
        trial.exit = int(pytest.main([*quiet, *options, *tests], plugins=[_Watcher(trial)]))
    except Exception:  # noqa: BLE001 - remains of a failed test may raise errors after the end
        traceback.print_exc()
        trial.exit = int(pytest.ExitCode.TESTS_FAILED if trial.failed else pytest.ExitCode.INTERNAL_ERROR)
    trial.strangers = _strangers(tree)
    return trial


def _strangers(tree: Path) -> list[str]:
    ours = {package.name for package in tree.glob("*/*/src/*") if package.is_dir()} - {"mutants"}
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.split(".")[0] in ours and file and not Path(file).is_relative_to(tree):
            found.append(name)
    return sorted(found)
