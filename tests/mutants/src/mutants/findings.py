"""The verdict on each fault, and the table of all verdicts. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from mutants.fault import Fault
from mutants.trial import Trial

Verdict = Literal["found", "missed", "error"]

_PASSED: Final = 0
_FAILED: Final = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one fault."""

    fault: Fault
    verdict: Verdict
    detail: str
    """The test that found it, or what is wrong."""
    seconds: float = 0.0


def judge(fault: Fault, trial: Trial) -> tuple[Verdict, str]:
    """The verdict. A fault is found when a test fails, but not by code that cannot be imported or by a missing test."""
    if trial.strangers:
        return "error", f"not imported from the copy: {' '.join(trial.strangers[:3])}"
    if trial.exit is None:
        return ("found", "a test hangs") if fault.hangs else ("error", "a test hangs: say hangs=True if it has to")
    if trial.broken:
        return "error", trial.broken
    if trial.exit == _FAILED and trial.found_by:
        return "found", trial.found_by
    if trial.exit == _PASSED:
        return "missed", "every test passes"
    return "error", f"pytest ends with {trial.exit}: no test was run"


def missing_tests(faults: Iterable[Fault], known: Iterable[str]) -> list[str]:
    """Complaints about named tests that do not exist."""
    ids = list(known)
    return [
        f"{fault.name}: there is no test {test}"
        for fault in faults
        for test in fault.tests
        if not any(belongs(node, test) for node in ids)
    ]


def belongs(node: str, test: str) -> bool:
    """Whether the node id is one of those that `test` (a folder, a file, a function, a node id) stands for."""
    return node == test or node.startswith((f"{test}::", f"{test}[", f"{test.rstrip('/')}/"))


def on_stack(fault: Fault, nodes: Mapping[str, bool]) -> bool:
    """Whether one of the fault's tests needs Kafka or MongoDB."""
    return any(needs and any(belongs(node, test) for test in fault.tests) for node, needs in nodes.items())


def usual_seconds(fault: Fault, seconds: Mapping[str, float]) -> float:
    """The duration of the fault's tests on the unchanged tree."""
    return sum(took for node, took in seconds.items() if any(belongs(node, test) for test in fault.tests))


def table(findings: Sequence[Finding]) -> str:
    """One line for each fault."""
    width = max((len(finding.fault.name) for finding in findings), default=0)
    return "\n".join(
        f"{one.verdict:6}  {one.fault.name:{width}}  {one.seconds:5.1f} s  {one.fault.file}  {one.detail}"
        for one in findings
    )


def summary(findings: Sequence[Finding]) -> str:
    """The last line: `N faults, N found, 0 missed`, and how many could not be tried."""
    counts = Counter(finding.verdict for finding in findings)
    line = f"{len(findings)} faults, {counts['found']} found, {counts['missed']} missed"
    return f"{line}, {counts['error']} not tried" if counts["error"] else line
