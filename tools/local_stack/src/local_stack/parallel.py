"""Several blocking deeds at once, ended together when one of them fails."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

T = TypeVar("T")


def _nothing() -> None:
    return


def together(deeds: Sequence[Callable[[], T]], *, workers: int = 8, end: Callable[[], None] = _nothing) -> list[T]:
    """Run all deeds in up to `workers` threads; their results in order.

    When one fails, or the user interrupts, those not yet begun are dropped, `end` is called, which has to make the
    others return soon, and once they have, the first error goes on.
    """
    with ThreadPoolExecutor(max_workers=workers) as pool:
        futures = [pool.submit(deed) for deed in deeds]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            end()
            raise
        return [future.result() for future in futures]
