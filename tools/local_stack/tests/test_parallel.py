import threading

import pytest

from local_stack.parallel import together


def test_results_come_in_the_order_of_the_deeds():
    assert together([lambda: 1, lambda: 2, lambda: 3]) == [1, 2, 3]


def test_one_failure_ends_the_others_and_drops_those_not_begun():
    ended = threading.Event()
    begun: list[str] = []

    def fail() -> None:
        raise ValueError("the first error")

    def wait() -> None:
        assert ended.wait(10)

    with pytest.raises(ValueError, match="the first error"):
        together([fail, wait, wait, lambda: begun.append("late")], workers=2, end=ended.set)
    assert begun == []
