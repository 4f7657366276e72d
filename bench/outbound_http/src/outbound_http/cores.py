"""Assigns processes to cores."""

import os


def pin(core: int | None) -> None:
    """Keep this process on one core; None allows all cores."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def client_and_server() -> tuple[int, int] | None:
    """A core for the client and another for the server; None when there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[1]) if len(cores) > 1 else None
