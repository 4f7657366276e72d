"""The run: the tests on an unchanged copy, each fault in a copy, and the tests that need the stack once more."""

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from local_stack import LocalStack
from mutants.client import LIBRARIES, Worker
from mutants.fault import Fault
from mutants.findings import Finding, judge, missing_tests, on_stack, usual_seconds
from mutants.tree import DoesNotApplyError, applied, changed, copy_tree
from mutants.trial import Trial

_UNION_SECONDS: Final = 1200.0
LEAST_SECONDS: Final = 30.0
_TIMES_AS_LONG: Final = 5
_QUICK_EACH: Final = 6

Say = Callable[[str], None]


class UnusableError(Exception):
    """There is no result for any fault, because tests fail on the unchanged tree or do not exist."""


def say(line: str) -> None:
    """Print progress without buffering."""
    print(line, file=sys.stderr, flush=True)


class Run:
    """All faults of one call.

    `with_stack` starts Kafka and MongoDB when a test needs them. A run that takes `least_seconds` more than five times
    what its tests usually take is stopped.
    """

    def __init__(
        self,
        root: Path,
        folder: Path,
        *,
        workers: int,
        quick: bool = False,
        tell: Say = say,
        with_stack: bool = True,
        least_seconds: float = LEAST_SECONDS,
        libraries: Sequence[str] = LIBRARIES,
    ) -> None:
        self._folder = folder
        self._workers = max(1, workers)
        self._quick = quick
        self._tell = tell
        self._with_stack = with_stack
        self._least_seconds = least_seconds
        self._libraries = libraries
        self._root = root
        self._logs = folder / "logs"
        self._environment: dict[str, str] = {}
        self._count = 0
        self._total = 0
        self._lock = threading.Lock()

    def findings(self, faults: Sequence[Fault]) -> list[Finding]:
        """The result of each fault, in order. Raises UnusableError."""
        self._logs.mkdir(parents=True, exist_ok=True)
        tree = copy_tree(self._root, self._folder / "copy0")
        apply, not_applied = _sorted_out(tree, faults)
        with ExitStack() as stack:
            nodes = self._collect(tree, apply)
            if self._quick:
                apply = quick_part(apply, nodes)
                nodes = {node: needs for node, needs in nodes.items() if not needs}
            if any(on_stack(fault, nodes) for fault in apply) and self._with_stack:
                self._tell("starting Kafka and MongoDB")
                running = stack.enter_context(LocalStack())
                self._environment = {
                    "KAFKA_BOOTSTRAP_SERVERS": running.kafka_bootstrap_servers,
                    "MONGODB_URI": running.mongodb_uri,
                }
            found = self._tried(tree, apply, nodes)
        in_order = {finding.fault.name: finding for finding in [*not_applied, *found]}
        return [in_order[fault.name] for fault in faults if fault.name in in_order]

    def _collect(self, tree: Path, faults: Sequence[Fault]) -> dict[str, bool]:
        with self._worker(tree) as worker:
            trial = worker.run("collection", _tests_of(faults), ["--collect-only"], seconds=_UNION_SECONDS)
        complaints = missing_tests(faults, trial.on_stack)
        if complaints:
            raise UnusableError("\n".join(complaints))
        if trial.exit != 0 or trial.strangers:
            raise UnusableError(f"the tests cannot be collected: {trial.strangers or worker.log('collection')}")
        return trial.on_stack

    def _tried(self, tree: Path, faults: Sequence[Fault], nodes: Mapping[str, bool]) -> list[Finding]:
        if not faults:
            return []
        with self._worker(tree) as first:
            usual = self._unchanged(first, "unchanged", _tests_of(faults))
            heavy = [fault for fault in faults if on_stack(fault, nodes)]
            light = [fault for fault in faults if not on_stack(fault, nodes)]
            self._total = len(faults)
            found = self._in_parallel(first, light, usual)
            # The topics have fixed names: one fault at a time.
            found += [self._try(first, fault, usual) for fault in heavy]
            if heavy:
                self._unchanged(first, "afterwards", [node for node, needs in nodes.items() if needs])
        return found

    def _unchanged(self, worker: Worker, name: str, tests: Sequence[str]) -> Trial:
        self._tell(f"{name}: {len(tests)} tests or files of tests, without a fault")
        started = time.monotonic()
        trial = worker.run(name, tests, [], seconds=_UNION_SECONDS, compile_all=True)
        if trial.exit != 0:
            failed = " ".join(trial.failed) or f"pytest ends with {trial.exit}"
            raise UnusableError(f"{name}, without a fault: {failed} (see {worker.log(name)})")
        self._tell(f"{name}: {len(trial.seconds)} tests pass in {time.monotonic() - started:.0f} s")
        return trial

    def _in_parallel(self, first: Worker, faults: Sequence[Fault], usual: Trial) -> list[Finding]:
        waiting: queue.SimpleQueue[Fault] = queue.SimpleQueue()
        for fault in faults:
            waiting.put(fault)
        found: list[Finding] = []

        def work(worker: Worker) -> None:
            with contextlib.suppress(queue.Empty):
                while True:
                    found.append(self._try(worker, waiting.get_nowait(), usual))

        with ExitStack() as stack:
            workers = [first]
            for number in range(1, min(self._workers, len(faults))):
                copy = copy_tree(first.tree, self._folder / f"copy{number}", with_bytecode=True)
                workers.append(stack.enter_context(self._worker(copy)))
            with ThreadPoolExecutor(len(workers)) as threads:
                for done in [threads.submit(work, worker) for worker in workers]:
                    done.result()
        return found

    def _worker(self, tree: Path) -> Worker:
        return Worker(tree, self._logs, self._environment, self._libraries)

    def _try(self, worker: Worker, fault: Fault, usual: Trial) -> Finding:
        started = time.monotonic()
        limit = self._least_seconds + _TIMES_AS_LONG * usual_seconds(fault, usual.seconds)
        with applied(worker.tree, fault):
            trial = worker.run(fault.name, fault.tests, ["-x", "--timeout=0"], seconds=limit)
        verdict, detail = judge(fault, trial)
        with self._lock:
            self._count += 1
            more = "" if verdict == "found" else f": {detail} (see {worker.log(fault.name)})"
            self._tell(f"{self._count}/{self._total} {fault.name} {verdict}{more}")
        return Finding(fault, verdict, detail, time.monotonic() - started)


def quick_part(faults: Sequence[Fault], nodes: Mapping[str, bool]) -> list[Fault]:
    """A fixed sample of the faults that need no stack."""
    return [fault for fault in faults if not on_stack(fault, nodes)][::_QUICK_EACH]


def _sorted_out(tree: Path, faults: Iterable[Fault]) -> tuple[list[Fault], list[Finding]]:
    apply, not_applied = [], []
    for fault in faults:
        try:
            changed(tree, fault)
        except DoesNotApplyError as error:
            not_applied.append(Finding(fault, "error", str(error)))
        else:
            apply.append(fault)
    return apply, not_applied


def _tests_of(faults: Iterable[Fault]) -> list[str]:
    return sorted({test for fault in faults for test in fault.tests})
