"""Runs one program, and ends it when the process that started it ends.

Started by file name, `python -I -S guard.py LOG REMOVE PROGRAM ARGUMENTS…`, with a pipe as standard input whose other
end only the wanting process holds; prints the program's pid. When that pipe closes (its owner ended, however it ended),
the program is killed and the folder REMOVE is deleted ("-" for none). When the guard itself is killed, the kernel
kills the program. A guard per program is needed because PR_SET_PDEATHSIG alone would fire when the *thread* that
started the program ends (prctl(2)), and nodes are started from worker threads.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_PARENT_CHECK_S = 1.0


def _die_with_guard() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wake_on_child_exit() -> int:
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write_end)
    return read_end


def _owner_is_gone(child: "subprocess.Popen[bytes]", child_ended: int) -> bool:
    """Wait until the program has ended (False) or its owner has (True)."""
    owner = os.getppid()
    while child.poll() is None:
        readable, _, _ = select.select([0, child_ended], [], [], _PARENT_CHECK_S)
        # A forked copy of the owner may hold the pipe open, so look a second time.
        if 0 in readable or os.getppid() != owner:
            return True
        if child_ended in readable:
            os.read(child_ended, 1024)
    return False


def main(log: str, remove: str, command: list[str]) -> NoReturn:
    """Run `command` with its output appended to `log`; exits with its code, or 1 when its owner was gone.

    When the command cannot be executed, no pid is printed and the reason goes to standard error.
    """
    child_ended = _wake_on_child_exit()
    try:
        with Path(log).open("ab") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_die_with_guard,  # noqa: PLW1509 a guard has one thread
            )
    except OSError as error:
        sys.exit(str(error))
    print(child.pid, flush=True)
    if _owner_is_gone(child, child_ended):
        child.kill()
        child.wait()
        if remove != "-":
            shutil.rmtree(remove, ignore_errors=True)
        sys.exit(1)
    sys.exit(child.returncode if child.returncode >= 0 else 128 - child.returncode)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
