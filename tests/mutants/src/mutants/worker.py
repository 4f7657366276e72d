"""A process that has imported the large libraries, and forks for each run: `python -m mutants.worker TREE LIBRARY…`.

It reads one job a line from standard input and writes one answer a line to standard output, both JSON. Forking saves
the two seconds that the imports take. Nothing of ours is imported before the fork: what a child imports has the fault.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Final

from mutants.trial import Trial, run_tests

_POLL_SECONDS: Final = 0.02


def main() -> None:
    """Serve until standard input ends."""
    tree = Path(sys.argv[1])
    for name in sys.argv[2:]:
        with contextlib.suppress(ImportError):  # a tree without this library
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        job = json.loads(line)
        sys.stdout.write(json.dumps(_in_child(tree, job)) + "\n")
        sys.stdout.flush()


def _in_child(tree: Path, job: dict[str, Any]) -> dict[str, Any]:
    answer = Path(job["log"]).with_suffix(".json")
    answer.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _be_child(tree, job, answer)
    ended = _wait(child, job["seconds"])
    if answer.exists():
        return dict(json.loads(answer.read_text()))
    trial = Trial() if not ended else Trial(exit=3, broken="the process ended before pytest did")
    return trial.as_dict()


def _be_child(tree: Path, job: dict[str, Any], answer: Path) -> None:
    code = 1
    try:
        os.setsid()
        log = os.open(job["log"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        sys.dont_write_bytecode = not job["compile"]
        trial = run_tests(tree, job["tests"], job["options"])
        part = answer.with_suffix(".part")
        part.write_text(json.dumps(trial.as_dict()))
        part.rename(answer)
        code = 0
    except BaseException:  # noqa: BLE001 - the child must end here, whatever happened, and its log says what
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # skips threads and exit handlers of the tests' libraries


def _wait(child: int, seconds: float) -> bool:
    """Whether the child ended by itself. Otherwise it and its own children are killed."""
    until = time.monotonic() + seconds
    ended = False
    while not ended and time.monotonic() < until:
        ended = os.waitpid(child, os.WNOHANG)[0] != 0
        time.sleep(0 if ended else _POLL_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    if not ended:
        os.waitpid(child, 0)
    return ended


if __name__ == "__main__":
    main()
